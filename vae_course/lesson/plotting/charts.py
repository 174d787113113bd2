"""Figures made of numbers: what is plotted has a role, and its label stands beside it."""

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vae_course.lesson.plotting.images import draw, pictures
from vae_course.lesson.plotting.style import (
    INK,
    ROLES,
    WIDTH,
    Look,
    headline,
    look,
    minus,
    shown,
    spread_out,
)


class Series(NamedTuple):
    """Numbers to plot: made by `line`, `points`, `joined`, `trace`, `level`, `at` and `guess`."""

    kind: str
    role: str
    x: Sequence[float]
    y: Sequence[float]
    error: Sequence[float] | None = None


def line(role: str, x, y) -> Series:
    """A formula, or a curve computed so finely that no mark is needed."""
    return Series("line", role, x, y)


def points(role: str, x, y, error=None) -> Series:
    """Measurements, to be compared with a line."""
    return Series("points", role, x, y, error)


def joined(role: str, x, y, error=None) -> Series:
    """Measurements whose order along x is the story."""
    return Series("joined", role, x, y, error)


def trace(role: str, x, y) -> Series:
    """A noisy record: pale as it is, and bold its running median."""
    return Series("trace", role, x, y)


def level(role: str, y: float) -> Series:
    """One number for every x."""
    return Series("level", role, (), y)


def at(role: str, x: float) -> Series:
    """One x, for every y."""
    return Series("at", role, x, ())


def guess(x: float, y: float) -> Series:
    """What the reader predicted."""
    return Series("guess", "guess", [x], [y])


@shown
def curves(
    series: Mapping[str, Series],
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    gap: tuple[str, str, Mapping[float, str]] | None = None,
    xscale: str = "log",
    yscale: str = "linear",
    xticks: Sequence[float] | None = None,
    xlim: tuple[float, float] | None = None,
    ylim: tuple[float, float] | None = None,
    height: float = 3.4,
) -> Figure:
    """Series with their labels at their ends.

    Args:
        gap: the labels of two series; what lies between them is filled, and at each x the
            text is written into it.
        xticks: where to put numbers on a short logarithmic axis; None: the powers of ten.
    Raises:
        ValueError: for a role that there is not.
    """
    looks = _looks(series.values())
    fig, ax = plt.subplots(figsize=(WIDTH, height))
    headline(fig, title)
    ax.set(xlabel=xlabel, ylabel=ylabel, xscale=xscale, yscale=yscale)
    ends = {label: _draw(ax, s, one) for (label, s), one in zip(series.items(), looks, strict=True)}
    if gap is not None:
        _fill(ax, series[gap[0]], series[gap[1]], gap[2])
    if xlim is not None:
        ax.set_xlim(xlim)
    if ylim is not None:
        ax.set_ylim(ylim)
    if xticks is not None:
        ax.set_xticks(xticks, [minus(f"{x:g}") for x in xticks])
        ax.set_xticks([], minor=True)
    _label_ends(ax, ends, looks)
    return fig


@shown
def dots(
    rows: Mapping[str, Sequence[float]], *, title: str, xlabel: str, role: str = "decoder"
) -> Figure:
    """One line for each row's label, top to bottom, and a dot for each of its values."""
    fig, ax = plt.subplots(figsize=(WIDTH, 1.1 + 0.3 * len(rows)))
    headline(fig, title)
    for height, values in enumerate(rows.values()):
        ax.plot(values, [height] * len(values), "o", color=look(role).color, alpha=0.6)
    ax.set_yticks(range(len(rows)), rows)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.grid(axis="y", alpha=0.3)
    ax.set_xlabel(xlabel)
    return fig


@shown
def ledger(rows: Mapping[str, float], *, title: str, new: Sequence[str] = ()) -> Figure:
    """Models on one axis of nats, the best to the right; those in `new` bold, the others pale."""
    fig, ax = plt.subplots(figsize=(WIDTH, 0.9 + 0.3 * len(rows)))
    headline(fig, title)
    left = min(rows.values())
    for height, (name, value) in enumerate(rows.items()):
        color, weight = (INK, "bold") if name in new else ("0.45", "normal")
        ax.plot([left, value], [height, height], color="0.85", zorder=0)
        ax.plot(value, height, "s", color=color)
        said = minus(f"  {value:.1f}")
        ax.text(value, height, said, va="center", color=color, weight=weight)
        ax.text(-0.02, height, name, transform=ax.get_yaxis_transform(), ha="right")
        ax.texts[-1].set(va="center", color=color, weight=weight)
    ax.set(yticks=[], ylim=(len(rows) - 0.5, -0.5), xlabel="log p(x), nats per image")
    ax.margins(x=0.12)
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_formatter(lambda value, _: minus(f"{value:g}"))
    return fig


@shown
def split(elbos: Mapping[str, float], log_p: float, *, title: str) -> Figure:
    """One log p(x), split by each q in its own place: the ELBO, and KL(q ‖ posterior)."""
    fig, ax = plt.subplots(figsize=(WIDTH, 1.1 + 0.45 * len(elbos)))
    headline(fig, title)
    lowest = min(elbos.values())
    left = lowest - 0.35 * (log_p - lowest)
    q = ROLES["q"]
    for height, elbo in enumerate(elbos.values()):
        ax.barh(height, elbo - left, left=left, color=q.color, height=0.6)
        ax.barh(height, log_p - elbo, left=elbo, color="white", edgecolor=q.color, hatch="////")
        ax.patches[-1].set_height(0.6)
        ax.patches[-1].set_y(height - 0.3)
        ax.text(left, height, minus(f" ELBO {elbo:.1f}"), va="center", color="white")
        said = f" KL {log_p - elbo:.2g}"
        ax.text(log_p, height, said, va="center", color=q.text)
    ax.axvline(log_p, color=INK, linewidth=2)
    ax.annotate(
        minus(f"log p(x) = {log_p:.1f}"), (log_p, 1), xycoords=ax.get_xaxis_transform(), ha="center"
    )
    ax.texts[-1].set(va="bottom")
    ax.set_yticks(range(len(elbos)), elbos)
    ax.set(ylim=(len(elbos) - 0.5, -0.5), xlim=(left, log_p + 0.2 * (log_p - left)), xlabel="nats")
    ax.xaxis.set_major_formatter(lambda value, _: minus(f"{value:g}"))
    return fig


@shown
def waterfall(rows: Mapping[str, Mapping[str, float]], ends: Sequence[str], *, title: str):
    """What lies between a bound and log p(x), part after part, up to the line of the truth.

    Args:
        rows: model -> part -> nats, the part next to the bound first.
        ends: what stands beside the line of the truth, one text for each row.
    """
    fig, axes = plt.subplots(len(rows), 1, figsize=(WIDTH, 0.6 + 1.1 * len(rows)), sharex=True)
    headline(fig, title)
    shades = ("#0072B2", "#56B4E9", "#A6D5F2", "#D9EDF8")
    for ax, (name, parts), end in zip(np.atleast_1d(axes), rows.items(), ends, strict=True):
        start = -sum(parts.values())
        span = max(sum(other.values()) for other in rows.values())
        for (part, nats), shade in zip(parts.items(), shades, strict=False):
            ax.barh(0, nats, left=start, color=shade, height=0.7)
            said = f"{part}: {nats:.2g}"
            if nats > 0.02 * span * len(said):
                color = "white" if shade == shades[0] else INK
                ax.text(start + nats / 2, 0, said, ha="center", va="center", color=color)
            else:
                ax.annotate(said, (start + nats / 2, 0.35), (-8, 10), textcoords="offset points")
                ax.texts[-1].set(ha="right")
            start += nats
        ax.axvline(0, color=INK, linewidth=2)
        ax.text(0.02 * span, 0, end, va="center")
        ax.set(yticks=[0], yticklabels=[name], ylim=(-0.6, 0.9))
        ax.xaxis.set_major_formatter(lambda value, _: minus(f"{value:g}"))
    ax.set(xlabel="nats below log p(x)", xlim=(-1.05 * span, 0.45 * span))
    return fig


@shown
def ridge(
    values: Sequence[float], shown_at: Mapping[str, tuple[float, np.ndarray]], *, title: str, xlabel
) -> Figure:
    """How often each log p(x) occurs, and pictures that stand at theirs; all far below 0.

    Args:
        values: (n,) of log p(x); the axis is logarithmic in -log p(x).
        shown_at: caption -> its log p(x), and a picture, (data_dim,) or as `pictures` takes it.
    """
    fig, (above, ax) = plt.subplots(2, 1, figsize=(WIDTH, 4), height_ratios=(1.1, 1))
    headline(fig, title)
    all_values = -np.concatenate([values, [value for value, _ in shown_at.values()]])
    ends = all_values.max() * 1.15, all_values.min() / 1.15
    bins = np.geomspace(*ends[::-1], 90)
    ax.hist(-np.asarray(values), bins=bins, color=ROLES["prior"].color)
    ax.set(xscale="log", xlim=ends, yticks=[], xlabel=xlabel)
    ticks = [t for t in (3000, 1000, 300, 200, 100, 50) if ends[1] < t < ends[0]]
    ax.set_xticks(ticks, [f"−{t:,}" for t in ticks])
    ax.set_xticks([], minor=True)
    ax.spines["left"].set_visible(False)
    above.axis("off")
    above.set(xlim=ends, xscale="log", ylim=(0, 1))
    centres = ax.transAxes.inverted().transform(
        ax.transData.transform([(-value, 0) for value, _ in shown_at.values()])
    )[:, 0]
    for _ in range(30):
        centres = np.clip(spread_out(centres, 0.23), 0.1, 0.9)
    for centre, (caption, (value, picture)) in zip(centres, shown_at.items(), strict=True):
        inset = above.inset_axes((centre - 0.09, 0.0, 0.18, 0.72))
        draw(inset, pictures(np.asarray(picture)[None])[0], interpolation="nearest")
        inset.set(xticks=[], yticks=[])
        inset.spines[:].set(visible=True, color="0.8")
        above.text(centre, 0.78, caption, transform=above.transAxes, ha="center", va="bottom")
        ax.annotate(
            "",
            (-value, 0),
            (centre, -0.04),
            xycoords=ax.get_xaxis_transform(),
            textcoords=above.transAxes,
            arrowprops={"arrowstyle": "-|>", "color": INK, "shrinkB": 0},
        )
    return fig


@shown
def jensen(ratios: Sequence[float], *, title: str, few: int = 40) -> Figure:
    """The log of a mean above the mean of logs, on the curve of the logarithm.

    Args:
        ratios: many estimates of p(x), over p(x); the first `few` are drawn.
    """
    fig, ax = plt.subplots(figsize=(WIDTH, 3.6))
    headline(fig, title)
    ratios = np.asarray(ratios, dtype=float)
    drawn = ratios[:few]
    prior, blue = ROLES["prior"], ROLES["q"]
    grid = np.geomspace(drawn.min(), 1.15 * drawn.max(), 400)
    ax.plot(grid, np.log(grid), color="0.6")
    ax.plot(drawn, np.log(drawn), prior.mark, color=prior.color, alpha=0.7)
    mean, mean_log = ratios.mean(), np.log(ratios).mean()
    ends = 0, grid[-1]
    ax.fill_between(ends, mean_log, np.log(mean), color=blue.color, alpha=0.13, linewidth=0)
    ax.hlines(np.log(mean), mean, ends[1], color=INK, linewidth=2)
    ax.hlines(mean_log, *ends, color=blue.color, linewidth=2)
    ax.vlines(mean, np.log(drawn.min()), np.log(mean), color=INK, linewidth=1, linestyle=":")
    ax.plot(mean, np.log(mean), ROLES["truth"].mark, color=INK)
    options = dict(textcoords="offset points", va="center", annotation_clip=False)
    ax.annotate("log of the mean", (ends[1], np.log(mean)), (6, 0), color=INK, **options)
    ax.annotate("mean of the logs", (ends[1], mean_log), (6, 0), color=blue.text, **options)
    said = f"{np.log(mean) - mean_log:.1f} nats lost"
    ax.text(0.7 * ends[1], (mean_log + np.log(mean)) / 2, said, color=blue.text, va="center")
    ax.set(xlabel="estimates p̂(x) / p(x)", ylabel="their logarithms (nats)", xlim=(0, ends[1]))
    ax.yaxis.set_major_formatter(lambda value, _: minus(f"{value:g}"))
    return fig


@shown
def prices(
    lost: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    moved: Mapping[str, float],
    *,
    title: str,
) -> Figure:
    """What mistakes in training cost the bound and the model; how others move a printed number.

    Both axes are linear up to 10 nats and logarithmic beyond.

    Args:
        lost: name -> nats that the bound lost, and that the model lost, one for each seed.
        moved: name -> nats by which the printed number is too high.
    """
    size, heights = (WIDTH, 1.9 + 0.36 * (len(lost) + len(moved))), (len(lost), len(moved))
    fig, (above, below) = plt.subplots(2, 1, figsize=size, height_ratios=heights)
    headline(fig, title)
    for y, (bound, model) in enumerate(lost.values()):
        above.plot([np.mean(model), np.mean(bound)], [y, y], color="0.8", linewidth=2, zorder=0)
        for values, (color, text, _, mark), up in (
            (bound, ROLES["q"], 6),
            (model, ROLES["decoder"], -15),
        ):
            above.plot(values, [y] * len(values), mark, color=color, markersize=5, alpha=0.7)
            _beside(above, (np.mean(values), y), (0, up), f"{round(np.mean(values))}", text)
    for role, said in (("q", "the bound lost"), ("decoder", "the model lost (log p(x))")):
        above.plot([], [], ROLES[role].mark, color=ROLES[role].color, label=said)
    above.legend(frameon=False, loc="lower right")
    below.hlines(range(len(moved)), 0, list(moved.values()), color="0.7", linewidth=2)
    for y, value in enumerate(moved.values()):
        below.plot(value, y, "o", color="0.25")
        _beside(below, (value, y), (22 if value > 0 else -22, -4), f"{value:+.0f}", "0.25")
    for ax, rows in ((above, lost), (below, moved)):
        ax.set_xscale("symlog", linthresh=10)
        ax.xaxis.set_major_formatter(lambda value, _: minus(f"{value:g}"))
        ax.axvline(0, color="0.5", linewidth=1, zorder=0)
        ax.set_yticks(range(len(rows)), rows)
        ax.set_ylim(len(rows) - 0.5, -0.7)
    above.set_xlabel("nats lost per image, one mark per seed (right is worse)")
    below.set_xlabel("← looks worse     nats by which the printed number is off     looks better →")
    below.margins(x=0.12)
    return fig


@shown
def slopes(
    lines: Mapping[str, tuple[str, Sequence[float]]],
    columns: Sequence[str],
    *,
    title: str,
    ylabel: str,
) -> Figure:
    """A slopegraph: one line per model from judge to judge, its values written beside the points.

    Args:
        lines: model -> its role, and a value for each column.
    """
    fig, ax = plt.subplots(figsize=(WIDTH, 3.8))
    headline(fig, title)
    lowest = np.min([values for _, values in lines.values()], axis=0)
    looks = _looks([Series("joined", role, (), ()) for role, _ in lines.values()])
    for (name, (_, values)), (color, text, dash, mark) in zip(lines.items(), looks, strict=True):
        ax.plot(range(len(columns)), values, dash, marker=mark, color=color, linewidth=2)
        for x, value in enumerate(values):
            below = value == lowest[x]
            _beside(ax, (x, value), (0, -15 if below else 7), f"{value:.1f}", text)
        ax.text(len(columns) - 0.82, values[-1], name, va="center", color=text)
    ax.set_xticks(range(len(columns)), columns)
    ax.set_xlim(-0.4, len(columns) - 0.4)
    ax.margins(y=0.2)
    ax.yaxis.set_major_formatter(lambda value, _: minus(f"{value:g}"))
    ax.set(ylabel=ylabel)
    return fig


def _looks(series) -> list[Look]:
    """One look each: a role's second series gets another dash and mark, ordered ones the ramp."""
    series = list(series)
    ordered, seen, found = sum(s.role == "ordered" for s in series), Counter(), []
    for s in series:
        key = s.role, s.kind == "points"  # measured points go with the line of their role
        found.append(look(s.role, seen[key], ordered))
        seen[key] += s.kind not in ("guess", "at")
    return found


def _draw(ax: Axes, s: Series, one: Look) -> tuple[float, float] | None:
    """Draws a series; where its label belongs, None for one that has no end."""
    color, _, dash, mark = one
    if s.kind == "level":
        ax.axhline(s.y, color=color, linestyle=dash, linewidth=2)
        return None, s.y
    if s.kind == "at":
        ax.axvline(s.x, color=color, linestyle=":", linewidth=1.5)
        return s.x, None
    x, y = np.asarray(s.x, dtype=float), np.asarray(s.y, dtype=float)
    if s.kind == "line":
        ax.plot(x, y, dash, color=color, linewidth=2 if s.role == "truth" else 1.8)
    elif s.kind == "trace":
        ax.plot(x, y, color=color, linewidth=0.6, alpha=0.3)
        width = max(3, len(y) // 20)
        reach = [min(i, len(y) - 1 - i, width) for i in range(len(y))]  # as far on either side
        smooth = [np.median(y[i - r : i + r + 1]) for i, r in enumerate(reach)]
        ax.plot(x, smooth, dash, color=color, linewidth=2)
        y = np.asarray(smooth)
    elif s.kind == "guess":
        ax.plot(x, y, mark, color=color, markersize=15, zorder=5)
    else:
        style = dict(color=color, marker=mark, markersize=5, capsize=2, elinewidth=1)
        dash = dash if s.kind == "joined" else "none"
        ax.errorbar(x, y, s.error, linestyle=dash, linewidth=1.2, zorder=3, **style)
    last = np.nanargmax(np.where(np.isfinite(y), x, -np.inf))
    return x[last], y[last]


def _fill(ax: Axes, lower: Series, upper: Series, said: Mapping[float, str]) -> None:
    """Fills what lies between two series, and writes into it."""
    sides = [s for s in (lower, upper) if s.kind != "level"]
    x = np.unique(np.concatenate([np.asarray(s.x, dtype=float) for s in sides]))
    x = x[(x >= max(min(s.x) for s in sides)) & (x <= min(max(s.x) for s in sides))]

    def height(s, where):
        if s.kind == "level":
            return np.full(np.shape(where), float(s.y))
        order = np.argsort(s.x)
        return np.interp(where, np.asarray(s.x)[order], np.asarray(s.y, dtype=float)[order])

    low, high = height(lower, x), height(upper, x)
    ax.fill_between(x, low, high, color=ROLES["q"].color, alpha=0.13, linewidth=0)
    for place, text in said.items():
        ends = ax.transData.transform([(place, height(s, place)) for s in (lower, upper)])
        middle = ax.transData.inverted().transform(ends.mean(axis=0))
        ax.text(*middle, text, ha="center", va="center", color=ROLES["q"].text, fontsize=9)


def _label_ends(ax: Axes, ends: Mapping[str, tuple], looks: Sequence[Look]) -> None:
    """Writes each label where its series ends, moved up or down so that none covers another."""
    texts = []
    options = dict(textcoords="offset points", annotation_clip=False)
    for (label, (x, y)), one in zip(ends.items(), looks, strict=True):
        text = textwrap.fill(label, 24)
        if y is None:
            place, where = (x, 0), ("data", "axes fraction")
            ax.annotate(text, place, (4, 3), xycoords=where, color=one.text, **options)
            continue
        place, where = ((1, y), ("axes fraction", "data")) if x is None else ((x, y), "data")
        shift = 11 if one.mark == "*" else 7
        texts.append(
            ax.annotate(
                text, place, (shift, 0), xycoords=where, va="center", color=one.text, **options
            )
        )
    if not texts:
        return
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in texts]
    centres = np.array([(box.y0 + box.y1) / 2 for box in boxes])
    lefts, rights = (np.array([getattr(box, side) for box in boxes]) for side in ("x0", "x1"))
    for group in _overlapping(lefts, rights):
        height = max(boxes[i].height for i in group)
        moved = spread_out(centres[group], 1.02 * height)
        for i, up in zip(group, (moved - centres[group]) * 72 / ax.figure.dpi, strict=True):
            texts[i].set_position((texts[i].get_position()[0], up))


def _overlapping(lefts: np.ndarray, rights: np.ndarray) -> list[list[int]]:
    """Indices of intervals, in groups that overlap."""
    groups, reach = [], -np.inf
    for i in np.argsort(lefts):
        if lefts[i] > reach:
            groups.append([])
        groups[-1].append(int(i))
        reach = max(reach, rights[i])
    return groups


def _beside(ax, place, offset, number: str, color) -> None:
    """A number so many points beside a place of the axes."""
    options = dict(textcoords="offset points", ha="center", color=color)
    ax.annotate(minus(number), place, xytext=offset, **options)
