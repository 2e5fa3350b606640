"""Padding: how long the texts of a batch are made."""

from typing import Literal

Padding = Literal["fixed", "longest", "bucketed"]
"""All to `tokens`; or to the longest of the batch, up to a multiple of 8; or so, and texts of like
length go into one batch"""
