"""Drawings of ideas: the map of the argument, the model as a plate, gradients, the VAE."""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from vae_course.lesson.plotting.style import BLUE, ORANGE, STYLE, shown

RANDOM = "#FBE3D6"  # inside of a node that is random, where that matters

# lesson, step, the road not taken there, what goes wrong and leads on
ARGUMENT = (
    (
        "01",
        "make the data probable:\nmaximise log p(x)",
        "no density: GANs\nno integral: autoregressive models, flows",
        "p(x) is an integral over z that has no formula",
    ),
    (
        "02",
        "average p(x | z) over\nsamples from the prior",
        "a fixed grid of z, solved in turn:\nEM, generative topographic mapping",
        "03: almost every z explains nothing",
    ),
    (
        "04",
        "importance sampling:\nlook where it matters",
        "walk there step by step:\nMarkov chain Monte Carlo",
        "where does it matter? the proposal needs a goal to climb",
    ),
    (
        "05",
        "the ELBO: one bound,\ntwo things to improve",
        "train the proposal on dreams:\nwake–sleep",
        "the samples depend on what we want to differentiate",
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
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(7.6, 7.4))
        _blank(ax, xlim=(-0.6, 9.4), ylim=(-len(ARGUMENT) + 0.55, 0.45))
        for row, (lesson, step, fork, problem) in enumerate(ARGUMENT):
            y = -row
            ax.text(-0.3, y, lesson, ha="center", va="center", weight="bold", color=BLUE)
            _box(ax, (0, y), 3.9, step, edgecolor=BLUE, facecolor="#E8F1F8")
            if problem:
                _arrow(ax, (1.95, y - 0.28), (1.95, y - 0.72), color=ORANGE)
                ax.text(2.15, y - 0.5, problem, va="center", color=ORANGE, fontsize=8.5)
            if fork:
                _arrow(ax, (3.9, y), (5.2, y), color="0.55", linestyle="--")
                _box(ax, (5.2, y), 4.1, fork, edgecolor="0.55", facecolor="white", linestyle="--")
        ax.set_title(
            "One argument: each step answers what the one before left open (orange);\n"
            "dashed, what one could do instead"
        )
    return fig


@shown
def plate_diagram() -> Figure:
    """z -> x inside a plate of n images; theta outside, shared by all of them."""
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(5.2, 2.3))
        _plate(ax)
        ax.set_title("Draw z; θ turns it into a distribution of x; draw x. Only x (grey) is seen")
    return fig


@shown
def vae_diagrams() -> Figure:
    """The plate with phi, which leads back from x; and the machine that computes the ELBO."""
    with plt.rc_context(STYLE):
        fig, (above, below) = plt.subplots(2, 1, figsize=(7.6, 4.6))
        _plate(above)
        dashed = {"color": ORANGE, "linestyle": "--"}
        above.text(0.3, -0.7, r"$\phi$", ha="center", va="center", fontsize=13, color=ORANGE)
        _arrow(above, (4.68, -0.28), (2.92, -0.28), connectionstyle="arc3,rad=-0.25", **dashed)
        _arrow(above, (0.5, -0.65), (2.22, -0.2), **dashed)
        above.set_title("Solid: the model. Dashed: the encoder, a guess of z from x, shared by all")
        _machine(below)
        below.set_title(
            "One sample of the ELBO, from x back to the same x (grey: given; pink: random)"
        )
    return fig


@shown
def sampling_graphs() -> Figure:
    """phi -> z -> f twice: z drawn from q, a dead end for gradients; z made from noise, a path."""
    with plt.rc_context(STYLE):
        fig, (drawn, computed) = plt.subplots(1, 2, figsize=(7.4, 2.7))
        _chain(drawn, r"$z \sim q_\phi$", {"facecolor": RANDOM, "edgecolor": ORANGE})
        drawn.text(1.25, -0.15, "✕", ha="center", va="center", color=ORANGE, fontsize=13)
        drawn.set_title("z is drawn: the gradient stops there")
        _chain(computed, r"$\mu + \sigma\epsilon$", {})
        _node(computed, (2.5, 1.3), r"$\epsilon$", RANDOM, ORANGE)
        _arrow(computed, (2.5, 0.88), (2.5, 0.42), color="black")
        _arrow(computed, (2.05, -0.15), (0.45, -0.15), color=BLUE, linestyle="--")
        computed.set_title("z is computed: the gradient passes")
        fig.suptitle("Black: computing forward. Blue: the gradient on its way back. Orange: random")
    return fig


def _plate(ax: Axes) -> None:
    _blank(ax, xlim=(-0.4, 6.6), ylim=(-1.25, 1.45))
    ax.set_aspect("equal")
    ax.add_patch(
        FancyBboxPatch((1.7, -0.95), 4.3, 1.9, boxstyle="round,pad=0.1", fill=False, ec="0.4")
    )
    ax.text(5.95, -0.85, "n images", ha="right", color="0.4")
    for x, name, color in [(2.6, "$z$", "white"), (5.0, "$x$", "0.8")]:
        _node(ax, (x, 0), name, color)
    ax.text(0.3, 0, r"$\theta$", ha="center", va="center", fontsize=13)
    _arrow(ax, (3.02, 0), (4.58, 0), color="black")
    _arrow(ax, (0.5, 0.1), (4.7, 0.33), color="black", connectionstyle="arc3,rad=-0.28")


def _machine(ax: Axes) -> None:
    """x -> q(z | x) -> z -> p(x | z), and where the two terms of the ELBO sit."""
    _blank(ax, xlim=(-0.6, 12.9), ylim=(-1.75, 1.75))
    ax.set_aspect("equal")
    for x, name, color in [(0, "$x$", "0.8"), (6.3, "$z$", RANDOM), (12.3, "$x$", "0.8")]:
        _node(ax, (x, 0), name, color)
    for x, text, color in [(1.2, "encoder\n$\\phi$", ORANGE), (7.5, "decoder\n$\\theta$", BLUE)]:
        _box(ax, (x, 0), 1.6, text, edgecolor=color, facecolor="white", half_height=0.6)
    ax.text(4.0, 0.25, r"$\mu, \log\sigma^2$", ha="center")
    ax.text(10.3, 0.25, "chances of ink", ha="center", fontsize=8.5)
    for start, end in [(0.42, 1.15), (2.85, 5.85), (6.72, 7.45), (9.15, 11.85)]:
        _arrow(ax, (start, 0), (end, 0), color="black")
    _node(ax, (6.3, 1.3), r"$\epsilon$", RANDOM)
    _arrow(ax, (6.3, 0.88), (6.3, 0.42), color="black")
    ax.text(4.4, -1.15, "$-$ rate: KL(q ‖ prior)", ha="center", color=ORANGE)
    ax.text(10.4, -1.15, "reconstruction: log p(x | z), same x", ha="center", color=BLUE)


def _chain(ax: Axes, how: str, z_style: dict) -> None:
    """phi -> z -> f, and the gradient from f back to z."""
    _blank(ax, xlim=(-0.6, 5.6), ylim=(-0.6, 1.9))
    ax.set_aspect("equal")
    _node(ax, (0, 0), r"$\phi$")
    _node(ax, (2.5, 0), "$z$", **z_style)
    _node(ax, (5, 0), "$f$")
    for start in (0.45, 2.95):
        _arrow(ax, (start, 0.1), (start + 1.6, 0.1), color="black")
    _arrow(ax, (4.55, -0.15), (2.95, -0.15), color=BLUE, linestyle="--")
    ax.text(1.25, 0.3, how, ha="center", fontsize=9)


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
    ax.text(x + width / 2, y, text, ha="center", va="center", fontsize=8.5, linespacing=1.25)


def _arrow(ax: Axes, start, end, **style) -> None:
    ax.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=12, shrinkA=0, shrinkB=0, **style
        )
    )
