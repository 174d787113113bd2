"""Figures of two-dimensional places: points, samples, posteriors."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from vae_course.lesson.plotting.images import draw, pictures, tile
from vae_course.lesson.plotting.style import COLORS, ORANGE, STYLE, shown

SHADE = LinearSegmentedColormap.from_list("shade", ["white", ORANGE])


@shown
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


@shown
def responsibilities(
    images: np.ndarray, z: np.ndarray, weights: np.ndarray, *, title: str
) -> Figure:
    """Each image beside the 2-D samples z, each dot's area its share of the weight.

    Args:
        images: n of them, shapes as `pictures`; z: (num_samples, 2).
        weights: (num_samples, n), columns sum to 1.
    """
    with plt.rc_context(STYLE):
        fig, axes = plt.subplots(
            2, len(images), figsize=(2.3 * len(images), 3.6), height_ratios=(1, 2)
        )
        drawn = zip(axes.T, pictures(images), weights.T, strict=True)
        for (top, bottom), image, weight in drawn:
            draw(top, image, interpolation="auto")
            top.axis("off")
            bottom.scatter(*z.T, s=1.5, color="0.85", linewidths=0, rasterized=True)
            bottom.scatter(*z.T, s=50 * weight / weight.max(), color=ORANGE, linewidths=0)
            bottom.set(xlim=(-3.3, 3.3), ylim=(-3.3, 3.3), aspect="equal", xlabel="$z_1$")
        axes[1, 0].set_ylabel("$z_2$")
        fig.suptitle(title)
    return fig


@shown
def latent_map(
    means: np.ndarray,
    places: np.ndarray,
    labels: Sequence[int],
    *,
    title: str,
    right: str = "posterior mean of z for test images",
) -> Figure:
    """Left: decoded images over the unit square. Right: where each digit is placed in it.

    Args:
        means: side * side images, shapes as `pictures`, the first row at the bottom.
        places: (n, 2) in the unit square; labels: (n,) digits, drawn as characters.
        right: the title above them.
    """
    side = round(len(means) ** 0.5)
    means = pictures(means)
    picture = tile(means.reshape(side, side, *means.shape[1:])[::-1].reshape(means.shape), side)
    with plt.rc_context(STYLE):
        fig, (map_ax, scatter_ax) = plt.subplots(1, 2, figsize=(8, 4.4))
        draw(map_ax, picture, extent=(0, 1, 0, 1), interpolation="auto")
        map_ax.grid(False)
        _digits(scatter_ax, places, labels)
        map_ax.set_title("decoder means over z")
        scatter_ax.set_title(right)
        for ax in (map_ax, scatter_ax):
            ax.set(
                aspect="equal",
                xlim=(0, 1),
                ylim=(0, 1),
                xlabel=r"$\Phi(z_1)$",
                ylabel=r"$\Phi(z_2)$",
            )
        fig.suptitle(title)
    return fig


@shown
def code_panels(
    panels: Mapping[str, np.ndarray], labels: Sequence[int], *, title: str, end: float
) -> Figure:
    """Codes of the same images side by side, each a digit, in a circle that holds 99 % of N(0, I).

    Args:
        panels: caption -> places (n, 2); labels: (n,) digits.
        end: the axes go from -end to end.
    """
    with plt.rc_context(STYLE):
        fig, axes = plt.subplots(1, len(panels), figsize=(2.9 * len(panels), 3.4), squeeze=False)
        for ax, (caption, places) in zip(axes.flat, panels.items(), strict=True):
            ax.add_patch(plt.Circle((0, 0), (2 * np.log(100)) ** 0.5, fill=False, color="0.4"))
            _digits(ax, np.asarray(places), labels)
            ax.set(title=caption, xlim=(-end, end), ylim=(-end, end), aspect="equal")
            ax.set_xlabel("$z_1$")
        axes[0, 0].set_ylabel("$z_2$")
        fig.suptitle(title)
    return fig


@shown
def posterior_panels(
    panels: Mapping[str, tuple[np.ndarray, np.ndarray]],
    points: np.ndarray,
    *,
    title: str,
    images: np.ndarray | None = None,
    limits: tuple[float, float, float, float] | None = (-3.3, 3.3, -3.3, 3.3),
) -> Figure:
    """Exact posteriors as orange shades, under samples of something else, grey dots.

    A posterior too small to be seen gets a ring around it.

    Args:
        panels: caption -> log_probs (m,) of the nodes and samples (n, 2).
        points: (m, 2), the nodes of a grid, as `grid_posterior` returns them.
        images: one for each panel, drawn above, shapes as `pictures`; None: no images.
        limits: left, right, bottom, top; None: each panel as near as its clouds allow.
    """
    rows, heights = (1, (1,)) if images is None else (2, (1, 2))
    size = (2.4 * len(panels), 2.4 * sum(heights) / max(heights) + 0.5)
    side = round(len(points) ** 0.5)
    nodes = np.unique(points)
    cells = np.outer(np.gradient(nodes), np.gradient(nodes))
    with plt.rc_context(STYLE):
        fig, axes = plt.subplots(
            rows, len(panels), figsize=size, height_ratios=heights, squeeze=False
        )
        for ax, (caption, (log_probs, samples)) in zip(axes[-1], panels.items(), strict=True):
            density = np.exp(log_probs).reshape(side, side) / cells
            x, y = points.reshape(side, side, 2).transpose(2, 0, 1)
            ax.grid(False)
            ax.pcolormesh(x, y, density, cmap=SHADE, shading="gouraud", rasterized=True)
            ax.scatter(*samples.T, s=4, color="0.45", linewidths=0, rasterized=True)
            left, right, bottom, top = limits or _near(np.exp(log_probs), points, samples)
            _ring_if_small(ax, np.exp(log_probs), points, width=right - left)
            ax.set(title=caption, xlim=(left, right), ylim=(bottom, top))
            ax.set(aspect="equal", xlabel="$z_1$")
        for ax, image in zip(axes[0], () if images is None else pictures(images), strict=False):
            draw(ax, image, interpolation="auto")
            ax.axis("off")
        axes[-1, 0].set_ylabel("$z_2$")
        fig.suptitle(title)
    return fig


def _digits(ax: Axes, places: np.ndarray, labels: Sequence[int]) -> None:
    for digit in np.unique(labels):
        x, y = places[labels == digit].T
        color = COLORS[digit % len(COLORS)] if digit < len(COLORS) else str(0.15 * (digit % 5))
        mark = {"marker": f"${digit}$", "markersize": 5, "color": color, "mew": 0.2}
        ax.plot(x, y, linestyle="", **mark)


def _near(probs: np.ndarray, points: np.ndarray, samples: np.ndarray):
    """A square around the places that hold all but a thousandth of probs, and the samples."""
    likely_first = np.argsort(-probs)
    held = likely_first[: np.searchsorted(np.cumsum(probs[likely_first]), 0.999) + 1]
    both = np.concatenate([points[held], samples])
    low, high = both.min(axis=0), both.max(axis=0)
    (x, y), half = (low + high) / 2, 0.55 * (high - low).max()
    return x - half, x + half, y - half, y + half


def _ring_if_small(ax: Axes, probs: np.ndarray, points: np.ndarray, width: float) -> None:
    mean = probs @ points
    spread = np.sqrt(probs @ np.square(points - mean)).max()
    if spread < 0.02 * width:
        ax.plot(*mean, "o", markersize=14, fillstyle="none", color=ORANGE)
