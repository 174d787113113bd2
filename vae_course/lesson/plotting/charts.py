"""Figures made of numbers."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from vae_course.lesson.plotting.style import BLUE, PINK, STYLE, shown


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
def dots(
    rows: Mapping[str, Sequence[float]], *, title: str, xlabel: str, xscale: str = "linear"
) -> Figure:
    """One line for each row's label, top to bottom, and a dot for each of its values.

    Args:
        xscale: "linear", or "symlog": linear within ±10 of a marked 0, logarithmic beyond.
    """
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(6.5, 0.9 + 0.3 * len(rows)))
        for height, values in enumerate(rows.values()):
            ax.plot(values, [height] * len(values), "o", color=BLUE, alpha=0.6)
        if xscale == "symlog":
            ax.set_xscale("symlog", linthresh=10)
            ax.xaxis.set_major_formatter("{x:g}")
            ax.axvline(0, color="0.5", linestyle=":")
        ax.set_yticks(range(len(rows)), rows)
        ax.invert_yaxis()
        ax.set(title=title, xlabel=xlabel)
    return fig
