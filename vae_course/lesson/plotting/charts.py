"""Figures made of numbers."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from vae_course.lesson.plotting.style import BLUE, GREEN, ORANGE, PINK, SKY, STYLE, shown

LARGE = STYLE | {"font.size": 10.5, "axes.titlesize": 12, "axes.grid": False}


@shown
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
    xticks: Sequence[float] | None = None,
    ylim: tuple[float, float] | None = None,
) -> Figure:
    """Curves from x, y[, standard error]; single points (a guess); vertical marks.

    Args:
        xticks: where to put numbers on a short logarithmic axis; None: the powers of ten.
    """
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(6.5, 3.4))
        for (label, (x, y, *error)), mark, line in zip(
            series.items(), cycle("os^DvP"), cycle(("-", "--", "-.", ":")), strict=False
        ):
            fmt = (mark if len(x) <= 30 else "") + line  # marks would hide a fine curve
            ax.errorbar(x, y, *error, fmt=fmt, markersize=4, capsize=2, label=label)
        for (label, (x, y)), mark in zip((points or {}).items(), cycle("*PX"), strict=False):
            ax.plot(x, y, mark, markersize=14 if mark == "*" else 9, color=PINK, label=label)
        for label, x in (verticals or {}).items():
            ax.axvline(x, color="0.5", linestyle=":", label=label)
        ax.set(title=title, xlabel=xlabel, ylabel=ylabel, xscale=xscale, yscale=yscale)
        if ylim is not None:
            ax.set_ylim(ylim)
        if xticks is not None:
            ax.set_xticks(xticks, [f"{x:g}" for x in xticks])
            ax.set_xticks([], minor=True)
        if len(ax.get_legend_handles_labels()[1]) > 3:  # too many to find room among the curves
            fig.legend(frameon=False, loc="outside lower center", ncols=2)
        else:
            ax.legend(frameon=False)
    return fig


@shown
def dots(rows: Mapping[str, Sequence[float]], *, title: str, xlabel: str) -> Figure:
    """One line for each row's label, top to bottom, and a dot for each of its values."""
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(6.5, 0.9 + 0.3 * len(rows)))
        for height, values in enumerate(rows.values()):
            ax.plot(values, [height] * len(values), "o", color=BLUE, alpha=0.6)
        ax.set_yticks(range(len(rows)), rows)
        ax.invert_yaxis()
        ax.set(title=title, xlabel=xlabel)
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
    with plt.rc_context(LARGE):
        size, heights = (8, 1.9 + 0.36 * (len(lost) + len(moved))), (len(lost), len(moved))
        fig, (above, below) = plt.subplots(2, 1, figsize=size, height_ratios=heights)
        for y, (bound, model) in enumerate(lost.values()):
            above.plot([np.mean(model), np.mean(bound)], [y, y], color="0.8", linewidth=2, zorder=0)
            for values, color, mark, up in ((bound, BLUE, "o", 6), (model, GREEN, "D", -15)):
                above.plot(values, [y] * len(values), mark, color=color, markersize=5, alpha=0.7)
                _beside(above, (np.mean(values), y), (0, up), f"{round(np.mean(values))}", color)
        above.plot([], [], "o", color=BLUE, label="the bound lost (its ELBO)")
        above.plot([], [], "D", color=GREEN, label="the model lost (log p(x), q searched)")
        above.legend(frameon=False, loc="lower right")
        below.hlines(range(len(moved)), 0, list(moved.values()), color="0.7", linewidth=2)
        for y, value in enumerate(moved.values()):
            below.plot(value, y, "o", color="0.25")
            _beside(below, (value, y), (22 if value > 0 else -22, -4), f"{value:+.0f}", "0.25")
        for ax, rows in ((above, lost), (below, moved)):
            ax.set_xscale("symlog", linthresh=10)
            ax.xaxis.set_major_formatter(lambda value, _: _minus(f"{value:g}"))
            ax.axvline(0, color="0.5", linewidth=1, zorder=0)
            ax.set_yticks(range(len(rows)), rows)
            ax.set_ylim(len(rows) - 0.5, -0.7)
        above.set(title=title, xlabel="nats lost per image, one mark per seed (right is worse)")
        below.set(
            xlabel="← looks worse     nats by which the printed number is off     looks better →"
        )
        below.margins(x=0.12)
    return fig


@shown
def slopes(
    lines: Mapping[str, Sequence[float]], columns: Sequence[str], *, title: str, ylabel: str
) -> Figure:
    """A slopegraph: one line per model from judge to judge, its values written beside the points.

    Args:
        lines: model -> a value for each column.
    """
    with plt.rc_context(LARGE):
        fig, ax = plt.subplots(figsize=(7.5, 3.8))
        lowest = np.min(list(lines.values()), axis=0)
        looks = cycle([(GREEN, "D"), (BLUE, "o"), (ORANGE, "s"), (SKY, "^")])
        for (name, values), (color, mark) in zip(lines.items(), looks, strict=False):
            ax.plot(range(len(columns)), values, "-", marker=mark, color=color, linewidth=2)
            for x, value in enumerate(values):
                below = value == lowest[x]
                _beside(ax, (x, value), (0, -15 if below else 7), f"{value:.1f}", color)
            ax.text(len(columns) - 0.82, values[-1], name, va="center", color=color)
        ax.set_xticks(range(len(columns)), columns)
        ax.set_xlim(-0.4, len(columns) - 0.4)
        ax.margins(y=0.2)
        ax.yaxis.set_major_formatter(lambda value, _: _minus(f"{value:g}"))
        ax.set(title=title, ylabel=ylabel)
    return fig


def _beside(ax, place, offset, number: str, color) -> None:
    """A number so many points beside a place of the axes."""
    options = dict(textcoords="offset points", ha="center", color=color)
    ax.annotate(_minus(number), place, xytext=offset, **options)


def _minus(number: str) -> str:
    """With the sign of arithmetic in place of the hyphen."""
    return number.replace("-", "−")
