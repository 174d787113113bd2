"""Drawings of ideas: the map of the argument, the model as a plate, gradients, the VAE."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from vae_course.lesson.plotting.images import draw, pictures
from vae_course.lesson.plotting.style import INK, ROLES, WIDTH, headline, shown

RANDOM = "#FFF1C2"  # inside of a node that is random, where that matters
ENCODER, DECODER = ROLES["q"], ROLES["decoder"]

# lesson, step, the road not taken there, what goes wrong and leads on
ARGUMENT = (
    (
        "01",
        "make the data probable:\nmaximise log p(x)",
        "no density: GANs\nno integral: autoregressive models, flows",
        "p(x) is an integral over z, without a formula",
    ),
    (
        "02",
        "average p(x | z) over\nsamples from the prior",
        "fixed samples, solved in turn:\nEM, generative topographic mapping",
        "how many samples does an image need?",
    ),
    (
        "03",
        "the curse:\nalmost every z explains nothing",
        "",
        "look where it matters instead",
    ),
    (
        "04",
        "importance sampling:\na proposal, and weights",
        "walk there step by step:\nMarkov chain Monte Carlo",
        "where does it matter? The proposal needs a goal",
    ),
    (
        "05",
        "the ELBO: one bound,\ntwo things to improve",
        "train the proposal on dreams:\nwake–sleep",
        "its samples depend on what we differentiate by",
    ),
    (
        "06",
        "gradients\nthrough samples",
        "score function (REINFORCE):\nmore general, more noise",
        "every image needs a proposal of its own",
    ),
    (
        "07",
        "one posterior\nper image",
        "stay here:\nstochastic variational inference",
        "the work starts again with each new image",
    ),
    (
        "08",
        "one network for all images:\nthe variational auto-encoder",
        "come from the other side:\nauto-encoders (lesson 10)",
        "a bound is not the truth: where do the nats go?",
    ),
    ("09", "the ledger:\nevery nat of the gap", "", ""),
)


@shown
def argument_map() -> Figure:
    """The course as one chain of reasons, with the road not taken at each step."""
    fig, ax = plt.subplots(figsize=(WIDTH, 6.6))
    headline(fig, "One argument: each step answers what went wrong above it")
    _blank(ax, xlim=(-0.5, 8.7), ylim=(-len(ARGUMENT) + 0.6, 0.4))
    for row, (lesson, step, fork, problem) in enumerate(ARGUMENT):
        y, curse = -row, lesson == "03"
        style = dict(edgecolor=INK, facecolor="#F1F1F1", linewidth=1.2)
        if curse:
            style = dict(edgecolor=INK, facecolor="white", linewidth=2)
        ax.text(-0.3, y, lesson, ha="center", va="center", weight="bold")
        _box(ax, (0, y), 3.6, step, **style)
        if problem:
            _arrow(ax, (1.8, y - 0.28), (1.8, y - 0.72), color=INK)
            ax.text(2.0, y - 0.5, problem, va="center", style="italic", fontsize=9)
        if fork:
            _arrow(ax, (3.6, y), (4.5, y), color="0.5", linestyle="--")
            _box(ax, (4.5, y), 4.1, fork, edgecolor="0.5", facecolor="white", linestyle="--")
    return fig


@shown
def plate_diagram(image=None) -> Figure:
    """z -> x inside a plate of n images; theta outside, shared by all of them.

    Args:
        image: one to show in the node of x, shape as `pictures`.
    """
    fig, ax = plt.subplots(figsize=(5.2, 2.6))
    headline(fig, "Draw z; θ turns it into a distribution of x; draw x")
    _plate(ax)
    noise = np.random.default_rng(0).normal(size=(2, 150))
    inside = np.linalg.norm(noise, axis=0) < 2.2
    ax.plot(*(np.array([[2.6], [0]]) + 0.16 * noise[:, inside]), ".", color="0.75", markersize=1.5)
    ax.text(2.6, -0.62, "not seen", ha="center", fontsize=9, color="0.35")
    ax.text(5.0, -0.72, "seen", ha="center", fontsize=9, color="0.35")
    ax.text(0.3, -0.42, "shared", ha="center", fontsize=9, color=DECODER.text)
    (name,) = (text for text in ax.texts if text.get_text() == "$z$")
    name.set_position((1.95, 0))  # beside its cloud
    if image is not None:
        inset = ax.inset_axes((4.72, -0.28, 0.56, 0.56), transform=ax.transData)
        draw(inset, pictures(np.asarray(image)[None])[0])
        inset.axis("off")
        (name,) = (text for text in ax.texts if text.get_text() == "$x$")
        name.set_position((5.65, 0))  # beside its picture
    return fig


@shown
def vae_diagrams() -> Figure:
    """The plate with phi, which leads back from x; and the machine that computes the ELBO."""
    fig, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 4.8))
    headline(fig, "An encoder (blue) guesses z from x, so that the decoder (green) can be trained")
    _plate(above)
    dashed = {"color": ENCODER.color, "linestyle": "--"}
    above.text(0.3, -0.7, r"$\phi$", ha="center", va="center", fontsize=13, color=ENCODER.text)
    _arrow(above, (4.68, -0.28), (2.92, -0.28), connectionstyle="arc3,rad=-0.25", **dashed)
    _arrow(above, (0.5, -0.65), (2.22, -0.2), **dashed)
    above.set_title("Solid: the model. Dashed: the encoder, shared by all images")
    _machine(below)
    below.set_title("One sample of the ELBO, from x back to the same x (yellow: drawn)")
    return fig


@shown
def sampling_graphs() -> Figure:
    """phi -> z -> f twice: z drawn from q, a dead end for gradients; z made from noise, a path."""
    fig, (drawn, computed) = plt.subplots(1, 2, figsize=(WIDTH, 2.9))
    headline(fig, "Drawn: the gradient (blue) stops at z. Computed: it passes")
    _chain(drawn, r"$z \sim q_\phi$", {"facecolor": RANDOM})
    drawn.text(1.25, -0.15, "✕", ha="center", va="center", fontsize=18, weight="bold")
    drawn.set_title("z is drawn (yellow)")
    _chain(computed, r"$\mu + \sigma\epsilon$", {})
    _node(computed, (2.5, 1.3), r"$\epsilon$", RANDOM)
    _arrow(computed, (2.5, 0.88), (2.5, 0.42), color="black")
    _back(computed, (2.05, -0.15), (0.45, -0.15))
    computed.set_title("ε is drawn, z is computed")
    return fig


def _plate(ax: Axes) -> None:
    _blank(ax, xlim=(-0.4, 6.6), ylim=(-1.4, 1.4))
    ax.set_aspect("equal")
    ax.add_patch(
        FancyBboxPatch((1.7, -1.2), 4.3, 2.15, boxstyle="round,pad=0.1", fill=False, ec="0.4")
    )
    ax.text(5.95, -1.18, "n images", ha="right", color="0.4")
    for x, name, color in [(2.6, "$z$", "white"), (5.0, "$x$", "0.85")]:
        _node(ax, (x, 0), name, color)
    ax.text(0.3, 0, r"$\theta$", ha="center", va="center", fontsize=13, color=DECODER.text)
    _arrow(ax, (3.02, 0), (4.58, 0), color="black")
    style = "arc3,rad=-0.28"
    _arrow(ax, (0.5, 0.1), (4.7, 0.33), color=DECODER.color, connectionstyle=style)


def _machine(ax: Axes) -> None:
    """x -> q(z | x) -> z -> p(x | z), and where the two terms of the ELBO sit."""
    _blank(ax, xlim=(-0.6, 12.9), ylim=(-1.75, 1.75))
    ax.set_aspect("equal")
    for x, name, color in [(0, "$x$", "0.8"), (6.3, "$z$", RANDOM), (12.3, "$x$", "0.8")]:
        _node(ax, (x, 0), name, color)
    for x, text, color in [
        (1.2, "encoder\n$\\phi$", ENCODER.color),
        (7.5, "decoder\n$\\theta$", DECODER.color),
    ]:
        _box(ax, (x, 0), 1.6, text, edgecolor=color, facecolor="white", half_height=0.6)
    ax.text(4.0, 0.25, r"$\mu, \log\sigma^2$", ha="center")
    ax.text(10.3, 0.25, "chances of ink", ha="center", fontsize=9)
    for start, end in [(0.42, 1.15), (2.85, 5.85), (6.72, 7.45), (9.15, 11.85)]:
        _arrow(ax, (start, 0), (end, 0), color="black")
    _node(ax, (6.3, 1.3), r"$\epsilon$", RANDOM)
    _arrow(ax, (6.3, 0.88), (6.3, 0.42), color="black")
    ax.text(4.4, -1.15, "$-$ rate: KL(q ‖ prior)", ha="center", color=ENCODER.text)
    ax.text(10.4, -1.15, "reconstruction: log p(x | z), same x", ha="center", color=DECODER.text)


def _chain(ax: Axes, how: str, z_style: dict) -> None:
    """phi -> z -> f, and the gradient from f back to z."""
    _blank(ax, xlim=(-0.6, 5.6), ylim=(-0.6, 1.9))
    ax.set_aspect("equal")
    _node(ax, (0, 0), r"$\phi$")
    _node(ax, (2.5, 0), "$z$", **z_style)
    _node(ax, (5, 0), "$f$")
    for start in (0.45, 2.95):
        _arrow(ax, (start, 0.1), (start + 1.6, 0.1), color="black")
    _back(ax, (4.55, -0.15), (2.95, -0.15))
    ax.text(1.25, 0.3, how, ha="center", fontsize=9)


def _back(ax: Axes, start, end) -> None:
    """The gradient on its way back."""
    _arrow(ax, start, end, color=ENCODER.color, linestyle="--", linewidth=2)


def _node(ax: Axes, centre, name: str, facecolor="white", edgecolor="black") -> None:
    ax.add_patch(Circle(centre, 0.42, facecolor=facecolor, edgecolor=edgecolor))
    ax.text(*centre, name, ha="center", va="center", fontsize=13)


def _blank(ax: Axes, *, xlim, ylim) -> None:
    ax.set(xlim=xlim, ylim=ylim)
    ax.axis("off")


def _box(ax: Axes, left, width: float, text: str, half_height: float = 0.26, **style) -> None:
    x, y = left
    shape = "round,pad=0,rounding_size=.1"
    patch = FancyBboxPatch((x, y - half_height), width, 2 * half_height, boxstyle=shape)
    patch.set(**style)
    ax.add_patch(patch)
    ax.text(x + width / 2, y, text, ha="center", va="center", fontsize=9, linespacing=1.2)


def _arrow(ax: Axes, start, end, **style) -> None:
    ax.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=12, shrinkA=0, shrinkB=0, **style
        )
    )
