"""Payloads: the bytes that a state becomes on the air, and the state that comes out of them.

A payload is a safetensors file in memory, header included, so its size is what a real client would
send.
"""

from wfl_sim.codecs.dense import BFloat16, Float16, Float32
from wfl_sim.codecs.quantized import Int4, Int8
from wfl_sim.codecs.sparse import RandomMask, TopK

__all__ = ["BFloat16", "Float16", "Float32", "Int4", "Int8", "RandomMask", "TopK"]
