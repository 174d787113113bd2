"""Figures in one style: NumPy in, matplotlib figure out. `show` displays with alt text.

Colours are Okabe & Ito's, told apart by colour-blind readers too; where there are
more than a few groups, marks carry the meaning and not colours.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, PINK, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9"
COLORS = (BLUE, ORANGE, GREEN, PINK, SKY)
STYLE = {
    "figure.dpi": 120,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.prop_cycle": plt.cycler(color=COLORS),
}


def show(fig: Figure, *, alt: str) -> None:
    """Displays a figure with a text for those who cannot see it, then closes it."""
    if not alt.strip():
        raise ValueError("alt is empty: say in a sentence what the figure shows")
    display(fig, metadata={"image/png": {"alt": alt}})
    plt.close(fig)


def image_panels(
    panels: Mapping[str, np.ndarray],
    *,
    title: str,
    columns: int,
    panel_width: float = 3.0,
) -> Figure:
    """Panels of images side by side, each a grid `columns` wide under its own caption.

    Args:
        panels: caption -> images (n, 784) in [0, 1], ink black on white.
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


def film_strip(frames: Mapping[str, np.ndarray], *, title: str) -> Figure:
    """One row of images for each caption, top to bottom; each frame is (n, 784), one n for all."""
    columns = len(next(iter(frames.values())))
    strip = tile(np.concatenate([np.asarray(f) for f in frames.values()]), columns)
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(8, 8 * strip.shape[0] / strip.shape[1] + 0.5))
        ax.imshow(1 - strip, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        ax.set_yticks(30 * np.arange(len(frames)) + 15, frames)
        ax.set_xticks([])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.grid(False)
        ax.set_title(title)
    return fig


def tile(images: np.ndarray, columns: int) -> np.ndarray:
    """(n, 784) -> one large image, row by row, with a thin gap between."""
    rows = -(-len(images) // columns)
    canvas = np.zeros((rows * columns, 30, 30), dtype=np.float32)
    canvas[: len(images), 1:-1, 1:-1] = images.reshape(-1, 28, 28)
    return canvas.reshape(rows, columns, 30, 30).swapaxes(1, 2).reshape(rows * 30, columns * 30)


def curves(
    series: Mapping[str, tuple],
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    points: Mapping[str, tuple] | None = None,
    verticals: Mapping[str, float] | None = None,
    xscale: str = "log",
    yscale: str = "linear",
) -> Figure:
    """Curves from x, y[, standard error]; single points (a guess); vertical marks."""
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(6.5, 3.4))
        for (label, (x, y, *error)), mark, line in zip(
            series.items(), "os^D", ("-", "--", "-.", ":"), strict=False
        ):
            fmt = (mark if len(x) <= 30 else "") + line  # marks would hide a fine curve
            ax.errorbar(x, y, *error, fmt=fmt, markersize=4, capsize=2, label=label)
        for label, (x, y) in (points or {}).items():
            ax.plot(x, y, "*", markersize=14, color=PINK, label=label)
        for label, x in (verticals or {}).items():
            ax.axvline(x, color="0.5", linestyle=":", label=label)
        ax.set(title=title, xlabel=xlabel, ylabel=ylabel, xscale=xscale, yscale=yscale)
        ax.legend(frameon=False)
    return fig


def scatter_panels(
    panels: Mapping[str, tuple[np.ndarray, np.ndarray]],
    *,
    title: str,
    columns: int,
) -> Figure:
    """Two clouds of points in each panel, grey and orange, centred on 0.

    Args:
        panels: caption -> two arrays of places, (n, 2) and (m, 2).
    """
    rows = -(-len(panels) // columns)
    with plt.rc_context(STYLE):
        fig, axes = plt.subplots(rows, columns, figsize=(2.4 * columns, 2.5 * rows + 0.3))
        for ax, (caption, clouds) in zip(axes.flat, panels.items(), strict=True):
            for (x, y), color in zip((cloud.T for cloud in clouds), ("0.2", ORANGE), strict=True):
                ax.scatter(x, y, s=2, color=color, alpha=0.4, linewidths=0, rasterized=True)
            end = 1.15 * np.abs(clouds[0]).max()
            ax.set(title=caption, xlim=(-end, end), ylim=(-end, end), aspect="equal")
        fig.suptitle(title)
    return fig


def responsibilities(
    images: np.ndarray, z: np.ndarray, weights: np.ndarray, *, title: str
) -> Figure:
    """Each image beside the 2-D samples z, each dot's area its share of the weight.

    Args:
        images: (n, 784); z: (num_samples, 2); weights: (num_samples, n), columns sum to 1.
    """
    with plt.rc_context(STYLE):
        fig, axes = plt.subplots(
            2, len(images), figsize=(2.3 * len(images), 3.6), height_ratios=(1, 2)
        )
        for (top, bottom), image, weight in zip(axes.T, images, weights.T, strict=True):
            top.imshow(1 - image.reshape(28, 28), cmap="gray", vmin=0, vmax=1)
            top.axis("off")
            bottom.scatter(*z.T, s=1.5, color="0.85", linewidths=0, rasterized=True)
            bottom.scatter(*z.T, s=50 * weight / weight.max(), color=ORANGE, linewidths=0)
            bottom.set(xlim=(-3.3, 3.3), ylim=(-3.3, 3.3), aspect="equal", xlabel="$z_1$")
        axes[1, 0].set_ylabel("$z_2$")
        fig.suptitle(title)
    return fig


def latent_map(
    means: np.ndarray, places: np.ndarray, labels: Sequence[int], *, title: str
) -> Figure:
    """Left: decoded images over the unit square. Right: where each digit is placed in it.

    Args:
        means: (side * side, 784), the first row at the bottom.
        places: (n, 2) in the unit square; labels: (n,) digits, drawn as characters.
    """
    side = round(len(means) ** 0.5)
    picture = tile(means.reshape(side, side, -1)[::-1].reshape(side * side, -1), side)
    with plt.rc_context(STYLE):
        fig, (left, right) = plt.subplots(1, 2, figsize=(8, 4.4))
        left.imshow(1 - picture, cmap="gray", vmin=0, vmax=1, extent=(0, 1, 0, 1))
        left.grid(False)
        for digit in np.unique(labels):
            x, y = places[labels == digit].T
            color = COLORS[digit % len(COLORS)] if digit < len(COLORS) else str(0.15 * (digit % 5))
            right.plot(x, y, linestyle="", marker=f"${digit}$", markersize=5, color=color, mew=0.2)
        left.set_title("decoder means over z")
        right.set_title("posterior mean of z for test images")
        for ax in (left, right):
            ax.set(
                aspect="equal",
                xlim=(0, 1),
                ylim=(0, 1),
                xlabel=r"$\Phi(z_1)$",
                ylabel=r"$\Phi(z_2)$",
            )
        fig.suptitle(title)
    return fig
