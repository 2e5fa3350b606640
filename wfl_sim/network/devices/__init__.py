"""Devices in simulated time: what they compute, send and draw, and when they are there."""
