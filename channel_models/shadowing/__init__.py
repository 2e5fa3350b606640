"""Shadowing: the slow part of the gain, in dB over the path loss, normal with mean zero."""

from channel_models.shadowing.gauss_markov import GaussMarkovShadowing
from channel_models.shadowing.inter_site import InterSiteShadowing, SiteFields
from channel_models.shadowing.lognormal import FixedShadowing, LogNormal
from channel_models.shadowing.los_map import LosField, LosMap
from channel_models.shadowing.map import ShadowField, ShadowMap

__all__ = [
    "FixedShadowing",
    "GaussMarkovShadowing",
    "InterSiteShadowing",
    "LogNormal",
    "LosField",
    "LosMap",
    "ShadowField",
    "ShadowMap",
    "SiteFields",
]
