"""Shadowing: the slow part of the gain, in dB over the path loss, normal with mean zero."""

from channel_models.shadowing.lognormal import FixedShadowing, LogNormal
from channel_models.shadowing.map import ShadowField, ShadowMap

__all__ = ["FixedShadowing", "LogNormal", "ShadowField", "ShadowMap"]
