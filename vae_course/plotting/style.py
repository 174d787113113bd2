"""One style for every figure, and `show`, which gives each its text for those who cannot see it.

Colours are Okabe & Ito's, told apart by colour-blind readers too; where there are
more than a few groups, marks carry the meaning and not colours.
"""

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
    if not alt.strip():
        raise ValueError("alt is empty: say in a sentence what the figure shows")
    display(fig, metadata={"image/png": {"alt": alt}})
    plt.close(fig)
