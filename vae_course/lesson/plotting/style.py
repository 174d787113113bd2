"""One style for every figure: what a colour means, and `show`, which gives each figure its text.

A quantity has one look in all lessons: its role. The hues are Okabe & Ito's, told apart by the
colour-blind; roles differ in darkness or dash as well, for print in grey.
"""

import base64
import functools
import io
import textwrap
from collections.abc import Callable
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from PIL import Image

INK, ORANGE, BLUE, SKY = "#1A1A1A", "#D55E00", "#0072B2", "#56B4E9"
GREY, GREEN, PINK = "#8C8C8C", "#009E73", "#CC79A7"
SHADE = LinearSegmentedColormap.from_list("posterior", ["white", ORANGE])
RAMP = LinearSegmentedColormap.from_list("ordered", ["#B79ADB", "#7A52AB", "#2A1358"])
WIDTH, DPI = 7.5, 120  # inches, and pixels an inch on the page; drawn at twice that


class Look(NamedTuple):
    """How a role is drawn; `text` is its colour darkened until it can be read on white."""

    color: str
    text: str
    dash: str
    mark: str


ROLES = {
    "truth": Look(INK, INK, "-", "s"),
    "q": Look(BLUE, "#005A8C", "-", "o"),
    "searched": Look(SKY, "#1B6A94", "--", "D"),
    "prior": Look(GREY, "#5C5C5C", "-", "^"),
    "decoder": Look(GREEN, "#00664A", "-", "v"),
    "guess": Look(PINK, "#9A3F74", ":", "*"),
}
STYLE = {
    "figure.dpi": DPI,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "0.3",
    "axes.titlelocation": "left",
    "savefig.facecolor": "white",
    "savefig.pad_inches": 0.1,
}
DASHES = ("-", "--", ":", "-.")


def look(role: str, before: int = 0, ordered: int = 0) -> Look:
    """A role's look, after `before` others of that role, of `ordered` in a figure.

    Raises:
        ValueError: if there is no such role.
    """
    if role == "ordered":
        place = before / max(1, ordered - 1)
        return Look(RAMP(place), RAMP(max(place, 0.4)), "-", "osDv^"[before % 5])
    if role not in ROLES:
        raise ValueError(f"a role is one of {', '.join(ROLES)} or ordered; got {role!r}")
    found = ROLES[role]
    if before:
        found = found._replace(dash=DASHES[before % 4], mark="osDv^"[before % 5])
    return found


def headline(fig: Figure, title: str) -> None:
    """A figure's message, above everything, from the left."""
    lines = [textwrap.fill(line, 78) for line in title.split("\n")]
    fig.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=11, fontweight="bold")


def show(fig: Figure, *, alt: str) -> None:
    """Displays a figure with a text for those who cannot see it, then closes it."""
    _check_alt(alt)
    content = io.BytesIO()
    fig.savefig(content, format="png", dpi=2 * DPI, bbox_inches="tight")
    plt.close(fig)
    show_png(few_colors(Image.open(content)), alt=alt)


def show_png(content: bytes, *, alt: str, scale: int = 2) -> None:
    """Displays a picture that has `scale` pixels for each one of the page."""
    _check_alt(alt)
    display(_Shown(content, alt, scale))


class _Shown:
    """A picture where pictures are shown, its alt text where they are not."""

    def __init__(self, content: bytes, alt: str, scale: int):
        self.content, self.alt, self.scale = content, alt, scale

    def __repr__(self) -> str:
        return self.alt

    def _repr_mimebundle_(self, include=None, exclude=None):
        size = Image.open(io.BytesIO(self.content)).size
        width, height = (pixels // self.scale for pixels in size)
        data = {"image/png": base64.b64encode(self.content).decode(), "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt, "width": width, "height": height}}


def few_colors(picture: Image.Image, number: int = 128) -> bytes:
    """A picture as a small PNG."""
    content = io.BytesIO()
    picture.convert("RGB").quantize(number, dither=Image.Dither.NONE).save(
        content, format="png", optimize=True
    )
    return content.getvalue()


def shown(draw: Callable[..., Figure]) -> Callable[..., None]:
    """A plot function that takes `alt=` and shows its figure, from one that returns it."""

    @functools.wraps(draw)
    def plot(*args, alt: str, **options) -> None:
        _check_alt(alt)
        with plt.rc_context(STYLE):
            fig = draw(*args, **options)
            show(fig, alt=alt)

    return plot


def minus(number: str) -> str:
    """With the sign of arithmetic in place of the hyphen."""
    return number.replace("-", "−")


def spread_out(places: np.ndarray, gap: float) -> np.ndarray:
    """Numbers moved as little as needed, in order, to be `gap` apart or more."""
    order = np.argsort(places, kind="stable")
    moved = np.asarray(places, dtype=float)[order]
    for _ in range(100):
        short = gap - np.diff(moved)
        if (short <= 1e-6).all():
            break
        push = np.maximum(short, 0) / 2
        moved[:-1] -= push
        moved[1:] += push
    return moved[np.argsort(order)]


def _check_alt(alt: str) -> None:
    if not alt.strip():
        raise ValueError("alt is empty: say in a sentence what the figure shows")
