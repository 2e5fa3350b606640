"""Fixtures of the rooms that train: tiny random networks and shards."""

from tests.fixtures.networks import _one_thread, network, pretrained, quiet, shards

__all__ = ["_one_thread", "network", "pretrained", "quiet", "shards"]
