"""Bands: how their resource blocks are planned among transfers, with interference."""
