"""Figures made of images."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from vae_course.lesson.plotting.style import STYLE, shown


@shown
def image_panels(
    panels: Mapping[str, np.ndarray],
    *,
    title: str,
    columns: int,
    panel_width: float = 3.0,
) -> Figure:
    """Panels of images side by side, each a grid `columns` wide under its own caption.

    Args:
        panels: caption -> images (n, side * side) in [0, 1], ink black on white.
        columns: images a row within a panel.
    """
    tiles = {caption: tile(np.asarray(images), columns) for caption, images in panels.items()}
    height, width = next(iter(tiles.values())).shape
    lines = max(caption.count("\n") for caption in panels)
    size = (len(panels) * panel_width, panel_width * height / width + 0.6 + 0.2 * lines)
    with plt.rc_context(STYLE):
        fig, axes = plt.subplots(1, len(panels), figsize=size, squeeze=False)
        fig.get_layout_engine().set(wspace=0.06)
        for ax, (caption, image) in zip(axes.flat, tiles.items(), strict=True):
            ax.imshow(1 - image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            ax.set(title=caption, xticks=[], yticks=[])
            ax.spines[:].set(visible=True, color="0.85")
        fig.suptitle(title)
    return fig


@shown
def film_strip(frames: Mapping[str, np.ndarray], *, title: str) -> Figure:
    """One row of images for each caption, top to bottom; each (n, side * side), one n for all."""
    columns = len(next(iter(frames.values())))
    strip = tile(np.concatenate([np.asarray(f) for f in frames.values()]), columns)
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(8, 8 * strip.shape[0] / strip.shape[1] + 0.5))
        ax.imshow(1 - strip, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        step = strip.shape[0] / len(frames)
        ax.set_yticks(step * (np.arange(len(frames)) + 0.5), frames)
        ax.set_xticks([])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.grid(False)
        ax.set_title(title)
    return fig


def tile(images: np.ndarray, columns: int) -> np.ndarray:
    """Square images (n, side * side) -> one large image, row by row, with a thin gap between."""
    rows, side = -(-len(images) // columns), round(images.shape[1] ** 0.5)
    canvas = np.zeros((rows * columns, side + 2, side + 2), dtype=np.float32)
    canvas[: len(images), 1:-1, 1:-1] = images.reshape(-1, side, side)
    grid = canvas.reshape(rows, columns, side + 2, side + 2).swapaxes(1, 2)
    return grid.reshape(rows * (side + 2), columns * (side + 2))
