"""Figures of two-dimensional places: maps, samples, posteriors."""

import itertools
from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from vae_course.lesson.plotting.images import draw, from_below, pictures, tile
from vae_course.lesson.plotting.style import INK, ROLES, SHADE, WIDTH, headline, look, shown

# Ten hues of one lightness (OKLCH 0.62, 0.12): none of them is a role's, and none stands out.
DIGITS = (
    *("#C36574", "#C06D42", "#A97F19", "#7E9033", "#3E9B66"),
    *("#009C98", "#0193BE", "#6084CE", "#9174C4", "#B269A2"),
)
ANGLES = LinearSegmentedColormap.from_list("angles", [*DIGITS, DIGITS[0]])


@shown
def map_panels(
    maps: Mapping[str, Callable[[np.ndarray], np.ndarray]], z: np.ndarray, *, title: str, columns
) -> Figure:
    """One cloud of z through several maps: a hue for each angle, and what becomes of a disc.

    Args:
        maps: caption -> a function of places, (n, 2) -> (n, 2).
        z: (n, 2), centred on 0.
    """
    rows = -(-len(maps) // columns)
    radius, angle = np.linspace(0.001, 0.25, 12), np.linspace(0, 2 * np.pi, 721)
    disc = radius[:, None, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    hue = np.arctan2(z[:, 1], z[:, 0])
    fig, axes = plt.subplots(rows, columns, figsize=(WIDTH, WIDTH / columns * rows + 0.4))
    headline(fig, title)
    for ax, (caption, f) in zip(axes.flat, maps.items(), strict=True):
        x = np.asarray(f(z))
        ax.scatter(*x.T, s=2.5, c=hue, cmap=ANGLES, linewidths=0, rasterized=True)
        mesh = np.asarray(f(disc.reshape(-1, 2))).reshape(disc.shape)
        corners = (mesh[:-1, :-1], mesh[1:, :-1], mesh[1:, 1:], mesh[:-1, 1:])
        cells = np.stack(corners, axis=2).reshape(-1, 4, 2)
        style = dict(facecolor=INK, edgecolor="none", antialiased=False, rasterized=True)
        ax.add_collection(PolyCollection(cells, alpha=0.7, **style))
        end = 1.1 * np.quantile(np.abs(x), 0.999)
        ax.set(xticks=[], yticks=[], xlim=(-end, end), ylim=(-end, end), aspect="equal")
        ax.set_title(caption, loc="center")
        ax.spines[:].set_visible(False)
    return fig


@shown
def push_forward(
    maps: Mapping[str, Sequence[float]],
    z: Sequence[float],
    densities: Mapping[str, Sequence[float]],
    x: Sequence[float],
    *,
    title: str,
    xlim_log: tuple[float, float] = (1e-5, 4),
) -> Figure:
    """A line of z carried to x: the prior below, the maps above it, and p(x) turned sideways.

    Args:
        maps: caption -> the mean of x at each z, in the order of a parameter.
        densities: caption -> p(x) at each x; what is no map's is drawn black.
    """
    options = dict(width_ratios=(1.25, 1, 1.15), height_ratios=(3, 1))
    fig, axes = plt.subplots(2, 3, figsize=(WIDTH, 4.2), **options)
    headline(fig, title)
    map_ax, linear, log = axes[0]
    for number, (caption, mean) in enumerate(maps.items()):
        color = look("ordered", number, len(maps)).color
        map_ax.plot(z, mean, color=color, linewidth=2, label=caption)
    for caption, density in densities.items():
        at = list(maps).index(caption) if caption in maps else None
        one = ROLES["truth"] if at is None else look("ordered", at, len(maps))
        style = dict(color=one.color, linewidth=2, linestyle="--" if at is None else "-")
        linear.plot(density, x, **style)
        log.plot(density, x, label=caption, **style)
    axes[1, 0].fill_between(z, np.exp(-0.5 * np.square(z)), color=ROLES["prior"].color, alpha=0.6)
    axes[1, 0].set(xlabel="z", ylabel="p(z)", yticks=[], xlim=(z[0], z[-1]))
    map_ax.set(ylabel="x", xlim=(z[0], z[-1]), ylim=(x[0], x[-1]), title="x at each z")
    linear.set(xlabel="p(x)", ylim=(x[0], x[-1]), xlim=(0, None), title="p(x)", yticklabels=[])
    log.set(xscale="log", xlim=xlim_log, ylim=(x[0], x[-1]), yticklabels=[])
    log.set(title="the same, logarithmic", xlabel="p(x)")
    for ax in axes[1, 1:]:
        ax.axis("off")
    handles, labels = log.get_legend_handles_labels()
    axes[1, 1].legend(handles, labels, frameon=False, loc="upper left", ncols=2)
    return fig


@shown
def latent_map(
    means: np.ndarray,
    places: np.ndarray,
    images: np.ndarray,
    *,
    title: str,
    right: str = "test images at their posterior mean",
) -> Figure:
    """Left: decoded images over the unit square. Right: where images of the data lie in it.

    Args:
        means: side * side images, shapes as `pictures`, the first row at the bottom.
        places: (n, 2) in the unit square; images: n of them, drawn small.
        right: the title above them.
    """
    side = round(len(means) ** 0.5)
    images, picture = pictures(images), tile(from_below(means), side)
    fig, (map_ax, place_ax) = plt.subplots(1, 2, figsize=(WIDTH, 4.2))
    headline(fig, title)
    draw(map_ax, picture, extent=(0, 1, 0, 1), interpolation="auto")
    draw(place_ax, _scattered(images, np.asarray(places)), extent=(0, 1, 0, 1))
    map_ax.set_title("what the decoder draws at each z")
    place_ax.set_title(right)
    for ax in (map_ax, place_ax):
        ax.set(
            aspect="equal",
            xlim=(0, 1),
            ylim=(0, 1),
            xlabel=r"$\Phi(z_1)$, share of the prior's mass",
        )
        ax.set(xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
        ax.spines[:].set(visible=True, color="0.8")
    map_ax.set_ylabel(r"$\Phi(z_2)$")
    return fig


@shown
def code_panels(
    panels: Mapping[str, np.ndarray], labels: Sequence[int], *, title: str, end: float
) -> Figure:
    """Codes of the same images side by side, each a digit, in a circle that holds 99 % of N(0, I).

    Args:
        panels: caption -> places (n, 2); labels: (n,) digits.
        end: the axes go from -end to end; how many lie outside is written below.
    """
    fig, axes = plt.subplots(
        1, len(panels), figsize=(WIDTH, 0.6 + 0.92 * WIDTH / len(panels)), squeeze=False
    )
    headline(fig, title)
    for ax, (caption, places) in zip(axes.flat, panels.items(), strict=True):
        places = np.asarray(places)
        prior = plt.Circle((0, 0), (2 * np.log(100)) ** 0.5, color=ROLES["prior"].color, alpha=0.25)
        ax.add_patch(prior)
        for (x, y), label in zip(places, np.asarray(labels), strict=True):
            style = dict(color=DIGITS[label % 10], fontsize=6.5, ha="center", va="center")
            ax.text(x, y, str(label), clip_on=True, **style)
        outside = np.mean((np.abs(places) > end).any(axis=1))
        ax.set(xlim=(-end, end), ylim=(-end, end), aspect="equal")
        ax.set(xlabel=f"$z_1$   ({outside:.0%} outside)" if outside else "$z_1$")
        ax.set_title(caption, loc="center")
    axes[0, 0].set_ylabel("$z_2$")
    return fig


@shown
def posterior_panels(
    panels: Mapping[str, tuple],
    points: np.ndarray,
    *,
    title: str,
    images: np.ndarray | None = None,
    limits: tuple[float, float, float, float] | None = (-3.3, 3.3, -3.3, 3.3),
    role: str = "q",
    dots: str = "prior",
) -> Figure:
    """Exact posteriors as orange shades; a q as two contours, or samples as dots.

    A posterior too small to be seen is drawn a second time, magnified, in a corner.

    Args:
        panels: caption -> log_probs (m,) of the nodes, and one of: log q as a function,
            (n, 2) -> (n,), drawn as the contours inside which 39 and 86 % of it lie (1 and 2
            standard deviations of a Gaussian); samples (n, 2), grey dots; or a pair, samples and
            their weights (n,), which are the dots' areas.
        points: (m, 2), the nodes of a grid, as `grid_posterior` returns them.
        images: one for each panel, drawn above, shapes as `pictures`; None: no images.
        limits: left, right, bottom, top; None: each panel as near as both allow.
        role: whose the contours are; dots: whose the samples are.
    """
    columns = len(panels) if len(panels) < 5 else -(-len(panels) // 2)
    rows = -(-len(panels) // columns)
    cell = WIDTH / columns
    top = 0 if images is None else 0.42
    size = (WIDTH, rows * cell * (1 + top) + 0.5)
    ratios = (1,) * rows if images is None else (top, 1) * rows
    fig, axes = plt.subplots(len(ratios), columns, figsize=size, height_ratios=ratios)
    axes = np.reshape(axes, (len(ratios), columns))
    headline(fig, title)
    places = axes.reshape(-1) if images is None else axes[1::2].reshape(-1)
    for ax, (caption, (log_probs, other)) in zip(places, panels.items(), strict=False):
        ax.set_title(caption, loc="center")
        near = _near(np.asarray(log_probs), points, other)
        frame = limits or near
        _posterior(ax, log_probs, points, other, frame, (role, dots))
        held = _near(np.asarray(log_probs), points, None, share=0.9)
        if held[1] - held[0] < 0.18 * (frame[1] - frame[0]):
            _magnify(ax, log_probs, points, other, frame, held, (role, dots))
        ax.locator_params(nbins=3)
        ax.set_xlabel("$z_1$")
    if images is not None:
        for ax, image in zip(axes[::2].reshape(-1), pictures(images), strict=False):
            draw(ax, image, interpolation="auto")
    for ax in (*places[len(panels) :], *(() if images is None else axes[::2].reshape(-1))):
        ax.axis("off")
    for ax in axes[:, 0]:
        ax.set_ylabel("$z_2$")
    return fig


@shown
def needle(
    images: np.ndarray,
    z: np.ndarray,
    shares: np.ndarray,
    log_probs: np.ndarray,
    points: np.ndarray,
    decode: Callable[[np.ndarray], np.ndarray],
    *,
    title: str,
) -> Figure:
    """Blind draws, the spot that explains an image magnified, and how the draws share the work.

    Args:
        images: (k, ...), shapes as `pictures`: the first one large, the others small.
        z: (n, 2), the draws; shares: (n, k), their responsibilities for each image.
        log_probs: (m, k), the exact posteriors at the nodes `points`, (m, 2).
        decode: (n, 2) -> what the decoder draws there, shapes as `pictures`.
    """
    images, z, shares = pictures(images), np.asarray(z), np.asarray(shares)
    fig = plt.figure(figsize=(WIDTH, 5.9))
    headline(fig, title)
    above, below = fig.add_gridspec(2, 1, height_ratios=(2.5, 1))
    left, right = (fig.add_subplot(place) for place in above.subgridspec(1, 2))
    bars, *small = (
        fig.add_subplot(place)
        for place in below.subgridspec(1, len(images), width_ratios=(2, *(1,) * (len(images) - 1)))
    )
    wide = (-4, 4, -4, 4)
    blind = z, np.full(len(z), 1e-9)
    _posterior(left, log_probs[:, 0], points, blind, wide, ("q", "prior"), 0)
    left.set(xlabel="$z_1$", ylabel="$z_2$", title=f"{len(z):,} draws from the prior")
    left.locator_params(nbins=5)
    _thumbnail(left, images[0], (0.0, 0.78, 0.22, 0.22))
    for ax, column in zip((right, *small), range(len(images)), strict=True):
        carry = z[shares[:, column] > 0.05]
        frame = _square(_holding(np.exp(log_probs[:, column]), points, 0.99), carry)
        one = z, shares[:, column]
        _posterior(
            ax, log_probs[:, column], points, one, frame, ("q", "prior"), 60 if column else 220
        )
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set(visible=True, color="0.4")
        times = 8 / (frame[1] - frame[0])
        effective = 1 / np.square(shares[:, column]).sum()
        ax.set_title(f"{effective:.1f} count" if column else f"the spot, ×{times:.0f}")
        if column:
            _thumbnail(ax, images[column], (0.0, 0.68, 0.32, 0.32))
            continue
        bounds = (frame[0], frame[2], frame[1] - frame[0], frame[3] - frame[2])
        left.indicate_inset(bounds, right, edgecolor="0.4", alpha=1)
        best = np.argsort(-shares[:, 0])[:2]
        best = best[np.argsort(z[best, 0])]
        drawn = pictures(decode(z[best].astype(np.float32)))
        for left_edge, i, picture in zip((0.0, 0.76), best, drawn, strict=True):
            _thumbnail(right, picture, (left_edge, 0, 0.24, 0.24))
            right.annotate(
                f"{shares[i, 0]:.0%}",
                z[i],
                (left_edge + 0.12, 0.26),
                textcoords="axes fraction",
                ha="center",
                arrowprops={"arrowstyle": "-", "color": "0.4"},
            )
    falling = np.sort(shares[:, 0])[::-1][:30]
    bars.bar(np.arange(1, len(falling) + 1), falling, color="0.3")
    bars.set(xlabel=f"draws, best first (of {len(z):,})", ylabel="responsibility r")
    return fig


def _thumbnail(ax: Axes, picture: np.ndarray, bounds) -> None:
    inset = ax.inset_axes(bounds)
    draw(inset, picture, interpolation="auto")
    inset.set(xticks=[], yticks=[])
    inset.spines[:].set(visible=True, color="0.4")


def _posterior(ax: Axes, log_probs, points, other, frame, roles, largest=15) -> None:
    """One shade, and what is laid over it, within a frame (left, right, bottom, top)."""
    fine = _fine(frame)
    density = np.exp(_interpolated(log_probs, points, *fine))
    options = dict(extent=frame, origin="lower", cmap=SHADE, vmin=0, zorder=0)
    ax.imshow(density, interpolation="bilinear", aspect="auto", **options)
    if callable(other):
        _contours(ax, other, fine, look(roles[0]))
    elif isinstance(other, tuple):
        samples, weights = (np.asarray(part) for part in other)
        ax.scatter(*samples.T, s=1.5, color="0.72", linewidths=0, rasterized=True)
        heavy = weights > 1e-3 * weights.max()
        area = largest * weights[heavy] / weights.max()
        ax.scatter(*samples[heavy].T, s=area, color="0.3", alpha=0.75, linewidths=0)
    elif other is not None:
        color = look(roles[1]).color
        ax.scatter(*np.asarray(other).T, s=4, color=color, linewidths=0, rasterized=True)
    ax.set(xlim=frame[:2], ylim=frame[2:], aspect="equal")


def _magnify(ax: Axes, log_probs, points, other, frame, held, roles) -> None:
    """The posterior again, in the corner farthest from it and from q."""
    left, right, bottom, top = held
    size = np.array([frame[1] - frame[0], frame[3] - frame[2]])
    taken = [np.array([left + right, bottom + top]) / 2]
    if callable(other):
        cloud = _cloud(other, points, 0.9)
        taken.append((cloud.min(axis=0) + cloud.max(axis=0)) / 2)
    taken = [(place - (frame[0], frame[2])) / size for place in taken]
    corner = max(
        itertools.product((0.0, 0.54), repeat=2),
        key=lambda corner: min(np.abs(np.add(corner, 0.23) - place).max() for place in taken),
    )
    inset = ax.inset_axes((*corner, 0.46, 0.46))
    margin = 0.25 * (right - left)
    zoom = (left - margin, right + margin, bottom - margin, top + margin)
    _posterior(inset, log_probs, points, other, zoom, roles, largest=90)
    inset.set(xticks=[], yticks=[])
    inset.spines[:].set(visible=True, color="0.4")
    times = (frame[1] - frame[0]) / (zoom[1] - zoom[0]) * 0.46
    said = f"×{times:.0f}"
    inset.text(0.05, 0.93, said, transform=inset.transAxes, va="top", fontsize=8, color="0.3")
    bounds = (zoom[0], zoom[2], zoom[1] - zoom[0], zoom[3] - zoom[2])
    ax.indicate_inset(bounds, inset, edgecolor="0.4", alpha=1)


def _contours(ax: Axes, log_density, fine, one) -> None:
    density, cell = _density(log_density, fine)
    everywhere, wide_cell = density, cell
    if density.sum() * cell < 0.99:  # part of q lies outside
        everywhere, wide_cell = _density(log_density, _fine((-8, 8, -8, 8), 640))
    falling = np.sort(everywhere, axis=None)[::-1]
    held = np.cumsum(falling) * wide_cell
    levels = sorted({falling[np.searchsorted(held, m)] for m in (0.8647, 0.3935) if held[-1] > m})
    if levels and density.max() > levels[0]:
        halo = [withStroke(linewidth=3, foreground="white")]
        drawn = ax.contour(*fine, density, levels=levels, colors=[one.color], linewidths=1.4)
        drawn.set(path_effects=halo, linestyle=one.dash)


def _density(log_density, fine) -> tuple[np.ndarray, float]:
    """A density over x and y, (len(y), len(x)), and the area of a cell."""
    x, y = fine
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(np.float32)
    density = np.exp(np.asarray(log_density(grid), dtype=float)).reshape(len(y), len(x))
    return density, (x[1] - x[0]) * (y[1] - y[0])


def _fine(frame, size: int = 220) -> tuple[np.ndarray, np.ndarray]:
    return np.linspace(*frame[:2], size), np.linspace(*frame[2:], size)


def _interpolated(log_probs, points, x, y) -> np.ndarray:
    """log density over x and y, up to a constant with 0 at the highest node; (len(y), len(x))."""
    from scipy.interpolate import RectBivariateSpline

    nodes = np.unique(points)
    log_cells = np.log(np.gradient(nodes))
    log_density = np.asarray(log_probs, dtype=float).reshape(len(nodes), len(nodes))
    log_density = log_density - log_cells[:, None] - log_cells
    log_density = np.maximum(log_density - log_density.max(), -40)
    return np.minimum(RectBivariateSpline(nodes, nodes, log_density, kx=1, ky=1)(x, y).T, 0.2)


def _near(log_probs: np.ndarray, points: np.ndarray, other, share: float = 0.99):
    """A square that holds such a share of a posterior and of what is laid over it."""
    clouds = [_holding(np.exp(log_probs), points, share)]
    if callable(other):
        clouds.append(_cloud(other, points, share))
    elif other is not None and not isinstance(other, tuple):
        clouds.append(np.asarray(other))
    return _square(*clouds)


def _cloud(log_density, points: np.ndarray, share: float) -> np.ndarray:
    """The nodes that hold such a share of a density."""
    cells = np.gradient(np.unique(points))
    density = np.exp(np.asarray(log_density(points.astype(np.float32)), dtype=float))
    return _holding(density * np.outer(cells, cells).reshape(-1), points, share)


def _square(*clouds: np.ndarray) -> tuple[float, float, float, float]:
    """Left, right, bottom, top of a square that holds all of the points."""
    both = np.concatenate(clouds)
    low, high = both.min(axis=0), both.max(axis=0)
    (x, y), half = (low + high) / 2, 0.55 * max((high - low).max(), 0.05)
    return x - half, x + half, y - half, y + half


def _holding(probs: np.ndarray, points: np.ndarray, share: float) -> np.ndarray:
    """The likeliest points, that hold such a share of probs."""
    likely_first = np.argsort(-probs)
    held = np.searchsorted(np.cumsum(probs[likely_first]), share * probs.sum())
    return points[likely_first[: held + 1]]


def _scattered(images: np.ndarray, places: np.ndarray, size: int = 640) -> np.ndarray:
    """Small images of ink on a square canvas, the darker ink where they overlap."""
    canvas = np.zeros((size, size), dtype=np.float32)
    height, width = images.shape[1:3]
    ink = images if images.ndim == 3 else 1 - images[..., :3].mean(axis=-1)
    for image, (x, y) in zip(ink, places, strict=True):
        left = int(np.clip(x * size - width / 2, 0, size - width))
        top = int(np.clip((1 - y) * size - height / 2, 0, size - height))
        patch = canvas[top : top + height, left : left + width]
        np.maximum(patch, image, out=patch)
    return canvas
