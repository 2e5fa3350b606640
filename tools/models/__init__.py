"""Tiny random checkpoints of many architectures, and what trains on them."""
