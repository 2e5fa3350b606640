"""Alignment in torch: rewards, advantages, losses, and the loop that a device runs."""
