"""Where things are: drops of terminals, layouts of cells."""

from channel_models.geometry.drops import Disc, Hexagon, PoissonField, read_positions
from channel_models.geometry.hex_grid import HexGrid

__all__ = ["Disc", "HexGrid", "Hexagon", "PoissonField", "read_positions"]
