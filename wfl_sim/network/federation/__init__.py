"""Servers and the federation that a round policy coordinates."""
