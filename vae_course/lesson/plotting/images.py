"""Figures made of images."""

import io
import math
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from vae_course.checks import float_array
from vae_course.lesson.plotting.style import (
    DPI,
    ROLES,
    STYLE,
    WIDTH,
    headline,
    minus,
    show_png,
    shown,
)


@shown
def image_panels(
    panels: Mapping[str, np.ndarray],
    *,
    title: str,
    columns: int,
) -> Figure:
    """Panels of images side by side, each a grid `columns` wide under its own caption.

    Args:
        panels: caption -> images of any shape that `pictures` takes; ink is black on white.
        columns: images a row within a panel.
    """
    tiles = {caption: tile(np.asarray(images), columns) for caption, images in panels.items()}
    shape = np.array([tiled.shape[:2] for tiled in tiles.values()])
    lines = 1 + max(caption.count("\n") for caption in panels)
    height = WIDTH / len(panels) * max(shape[:, 0] / shape[:, 1])
    fig, axes = plt.subplots(
        1, len(panels), figsize=(WIDTH, height + 0.5 + 0.2 * lines), squeeze=False
    )
    fig.get_layout_engine().set(wspace=0.06)
    headline(fig, title)
    for ax, (caption, image) in zip(axes.flat, tiles.items(), strict=True):
        draw(ax, image)
        ax.set(xticks=[], yticks=[])
        ax.set_title(caption, loc="center")
        ax.spines[:].set(visible=True, color="0.85")
    return fig


@shown
def film_strip(frames: Mapping[str, np.ndarray], *, title: str) -> Figure:
    """One row of images for each caption, top to bottom, as many in each; shapes as `pictures`."""
    columns = len(next(iter(frames.values())))
    strip = tile(np.concatenate([pictures(frame) for frame in frames.values()]), columns)
    longest = max(len(line) for caption in frames for line in caption.split("\n"))
    wide = WIDTH - 0.25 - 0.07 * longest  # inches; the rest is for the captions
    fig, ax = plt.subplots(figsize=(WIDTH, wide * strip.shape[0] / strip.shape[1] + 0.5))
    headline(fig, title)
    draw(ax, strip)
    step = strip.shape[0] / len(frames)
    ax.set_yticks(step * (np.arange(len(frames)) + 0.5), frames)
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return fig


def map_film(frames: Mapping[str, tuple[np.ndarray, float]], *, title: str, alt: str) -> None:
    """A decoder's map as training goes on: an animated PNG that plays once and rests at its end.

    Where pictures do not move, its first frame is seen, which is the last map.

    Args:
        frames: caption -> side * side images, the first row at the bottom, and their log p(x).
    """
    drawn = []
    maps = [
        (caption, tile(from_below(means), math.isqrt(len(means))), log_p)
        for caption, (means, log_p) in frames.items()
    ]
    heights = [log_p for _, _, log_p in maps]
    side = maps[0][1].shape[0]  # pixels: one of the map is one of the picture, which keeps it small
    wide, high = WIDTH * DPI, side + 75
    with plt.rc_context(STYLE | {"figure.constrained_layout.use": False}):
        for number, (caption, image, log_p) in enumerate(maps):
            fig = plt.figure(figsize=(wide / DPI, high / DPI))
            headline(fig, title)
            fig.figimage(1 - np.clip(image, 0, 1), 15, 10, cmap="gray", vmin=0, vmax=1)
            left = (15 + side) / wide
            ax = fig.add_axes((left + 0.1, 60 / high, 0.96 - left - 0.1, (side - 90) / high))
            fig.text(left + 0.1, (side - 10) / high, f"log p(x) of 500 test images, {caption}:")
            said = minus(f"{log_p:.0f} nats")
            ax.text(1, 0.42, said, transform=ax.transAxes, ha="right", fontsize=20, weight="bold")
            ax.plot(range(number + 1), heights[: number + 1], "o-", color=ROLES["prior"].color)
            ax.set(xlim=(-0.3, len(maps) - 0.7), xticks=range(len(maps)), xlabel="epoch")
            ax.set_ylim(min(heights) - 8, max(heights) + 8)
            ax.yaxis.set_major_formatter(lambda value, _: minus(f"{value:g}"))
            drawn.append(_raster(fig))
            plt.close(fig)
    show_png(_animated(drawn), alt=alt, scale=1)


def from_below(means: np.ndarray) -> np.ndarray:
    """Images whose first row of `side` belongs at the bottom, in the order that `tile` takes."""
    side = math.isqrt(len(means))
    means = pictures(means)
    return means.reshape(side, side, *means.shape[1:])[::-1].reshape(means.shape)


def _raster(fig: Figure) -> Image.Image:
    content = io.BytesIO()
    fig.savefig(content, format="png", dpi=DPI)
    return Image.open(content).convert("L")


def _animated(drawn: list[Image.Image], milliseconds: int = 500) -> bytes:
    """Frames, the last one also as what is seen where nothing moves; played once, in seconds."""
    few = [frame.quantize(10, dither=Image.Dither.NONE) for frame in drawn]
    content = io.BytesIO()
    few[-1].save(
        content,
        format="png",
        save_all=True,
        append_images=few,
        default_image=True,
        duration=milliseconds,
        loop=1,
        optimize=True,
    )
    return content.getvalue()


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
