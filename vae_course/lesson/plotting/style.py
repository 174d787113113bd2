"""One style for every figure, and `show`, which gives each its text for those who cannot see it.

Colours are Okabe & Ito's, told apart by colour-blind readers too; where there are
more than a few groups, marks carry the meaning and not colours.
"""

import functools
from collections.abc import Callable

import matplotlib.pyplot as plt
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
    _check_alt(alt)
    display(fig, metadata={"image/png": {"alt": alt}})
    plt.close(fig)


def shown(draw: Callable[..., Figure]) -> Callable[..., None]:
    """A plot function that takes `alt=` and shows its figure, from one that returns it."""

    @functools.wraps(draw)
    def plot(*args, alt: str, **options) -> None:
        _check_alt(alt)
        show(draw(*args, **options), alt=alt)

    return plot


def _check_alt(alt: str) -> None:
    if not alt.strip():
        raise ValueError("alt is empty: say in a sentence what the figure shows")
