"""What pictures of laws share: colours, panels, streams, how they are saved."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

FOLDER = Path(__file__).parents[1] / "images"
# Okabe and Ito's colours, told apart with any colour vision
BLACK, ORANGE, SKY, GREEN, BLUE, RED, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip


def streams(count: int, seed: int = 1) -> list[np.random.Generator]:
    """Generators of as many links."""
    return [np.random.default_rng([seed, i]) for i in range(count)]


def panels(count: int) -> tuple[Figure, list[Axes]]:
    """A row of axes."""
    figure, axes = plt.subplots(1, count, figsize=(4.6 * count, 3.6), layout="constrained", dpi=110)
    for axis in axes:
        axis.grid(alpha=0.3, linewidth=0.5)
    return figure, list(axes)


def save(figure: Figure, name: str) -> None:
    """Write a picture with a palette of 256 colours, which keeps it small."""
    figure.canvas.draw()
    picture = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")
    picture.quantize(256).save(FOLDER / f"{name}.png", optimize=True)
    plt.close(figure)
