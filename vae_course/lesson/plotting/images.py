"""Figures made of images."""

import math
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vae_course.checks import float_array
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
        panels: caption -> images of any shape that `pictures` takes; ink is black on white.
        columns: images a row within a panel.
    """
    tiles = {caption: tile(np.asarray(images), columns) for caption, images in panels.items()}
    height, width = next(iter(tiles.values())).shape[:2]
    lines = max(caption.count("\n") for caption in panels)
    size = (len(panels) * panel_width, panel_width * height / width + 0.6 + 0.2 * lines)
    with plt.rc_context(STYLE):
        fig, axes = plt.subplots(1, len(panels), figsize=size, squeeze=False)
        fig.get_layout_engine().set(wspace=0.06)
        for ax, (caption, image) in zip(axes.flat, tiles.items(), strict=True):
            draw(ax, image)
            ax.set(title=caption, xticks=[], yticks=[])
            ax.spines[:].set(visible=True, color="0.85")
        fig.suptitle(title)
    return fig


@shown
def film_strip(frames: Mapping[str, np.ndarray], *, title: str) -> Figure:
    """One row of images for each caption, top to bottom, as many in each; shapes as `pictures`."""
    columns = len(next(iter(frames.values())))
    strip = tile(np.concatenate([pictures(frame) for frame in frames.values()]), columns)
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(8, 8 * strip.shape[0] / strip.shape[1] + 0.5))
        draw(ax, strip)
        step = strip.shape[0] / len(frames)
        ax.set_yticks(step * (np.arange(len(frames)) + 0.5), frames)
        ax.set_xticks([])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.grid(False)
        ax.set_title(title)
    return fig


def tile(images: np.ndarray, columns: int) -> np.ndarray:
    """Images -> one large image, row by row, with a thin gap between; shapes as `pictures`."""
    images = pictures(images)
    height, width, *colors = images.shape[1:]
    rows = -(-len(images) // columns)
    canvas = np.zeros((rows * columns, height + 2, width + 2, *colors), dtype=np.float32)
    if colors:
        canvas += 1  # the gap is white, as between images of ink
    canvas[: len(images), 1:-1, 1:-1] = images
    grid = canvas.reshape(rows, columns, height + 2, width + 2, *colors).swapaxes(1, 2)
    return grid.reshape(rows * (height + 2), columns * (width + 2), *colors)


def pictures(images) -> np.ndarray:
    """Images as (n, height, width) of ink, or (n, height, width, 3 or 4) of colours.

    Args:
        images: in [0, 1], or bytes; (n, height, width[, 1, 3 or 4]), or flat, (n, side * side)
            or (n, side * side * 3).
    Raises:
        ValueError: for another shape, none at all, or values that are no brightness.
    """
    images = np.asarray(images)
    if images.dtype == np.uint8:
        images = images / np.float32(255)
    images = np.asarray(float_array("images", images))
    if images.ndim == 2:
        for colors in (1, 3):
            side = math.isqrt(images.shape[1] // colors)
            if side and images.shape[1] == side * side * colors:
                images = images.reshape(-1, side, side, colors)
                break
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if images.ndim not in (3, 4) or 0 in images.shape or images.shape[3:] not in ((), (3,), (4,)):
        raise ValueError(
            f"images must have shape (n, height, width), with 3 behind it for colours, or be flat "
            f"and square; got {images.shape}"
        )
    if np.abs(images).max() > 10:
        raise ValueError(f"images must lie in [0, 1], got {images.max():g}: divide bytes by 255")
    return images


def draw(ax: Axes, image: np.ndarray, *, interpolation: str = "nearest", **options) -> None:
    """An image of ink, black on white, or one of colours as it is."""
    ink = image.ndim == 2
    image = np.clip(1 - image if ink else image, 0, 1)
    ax.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation=interpolation, **options)
