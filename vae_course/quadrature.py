"""Quadrature: log p(x) and the posterior on a grid, where z has one or two dimensions."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from vae_course.bounds import check_model, facts_of, log_likelihood, look_at
from vae_course.checks import supported
from vae_course.compiling import Split, compiled, merge
from vae_course.models import Model, prior_of
from vae_course.streaming import add_log_terms, log_total, no_log_terms, paced

EDGE = 6.0  # the grid is [-6, 6]: a standard normal leaves 2e-9 of its mass outside
SIZES = {1: (1025, 2049, 4097, 8193, 16385), 2: (65, 129, 257, 513, 1025, 2049)}
TOLERANCE = 0.01  # nats
BLOCK = 512  # nodes held in memory at once
MAX_TABLE = 2**28  # numbers, a gigabyte of float32


def grid_log_likelihood(model: Model, x: jax.Array) -> np.ndarray:
    """log p(x) by the trapezoid rule over z in [-6, 6]^latent_dim.

    The mean over x is good to 0.01 nats; a single image of many may be off by more.

    The nodes are even in t, where z = sinh(2t) / 2: close together near 0, where
    the prior keeps its mass and decoders their detail. Each answer is compared with
    the one from every second node. Halving the spacing at least squares the relative
    error of this rule, once it converges (Trefethen & Weideman 2014): a difference of d
    leaves an error of about d * d (the first time we count all of d). Images above
    0.01 nats get a grid twice as fine, until the mean over x of these errors is 0.01.

    Args:
        model: with `latent_dim` 1 or 2, and any prior.
        x: (batch, data_dim).
    Returns:
        (batch,), in nats; NumPy.
    Raises:
        ValueError: if latent_dim is above 2; if even the finest grid is not fine enough;
            if posteriors lie at the grid's edge; if log p(x) is so low that the floats
            it is made of do not hold 0.01 nats; or inside compiled code.
    """
    model, x, dim = _check(model, x)
    first, *finer = SIZES[dim]
    answers = _integrate(model, x, *_grid(dim, first))
    look_at(answers, model, prior_of(merge(model)), x)
    errors, pending = np.empty(len(x)), np.arange(len(x))
    for size in finer:
        # Repeated up to a multiple of 256: few shapes, so few compilations.
        rows = np.resize(pending, min(len(x), -(-len(pending) // 256) * 256))
        new = _integrate(model, x[rows], *_grid(dim, size, new_only=True))[: len(pending)]
        # The old nodes are every second one, and their cells shrink to half an axis.
        fine = np.logaddexp(answers[pending] - dim * np.log(2), new)
        differences = np.abs(fine - answers[pending])
        errors[pending] = _error_left(differences, is_first=size == finer[0])
        answers[pending] = fine
        if errors.mean() <= TOLERANCE:
            _check_answers(model, x, dim, answers)
            return answers
        pending = np.flatnonzero(errors > TOLERANCE)
    raise _too_rugged(size, errors)


def grid_posterior(model: Model, x: jax.Array) -> tuple[np.ndarray, np.ndarray]:
    """p(z | x) as probabilities of the nodes of a grid, which sum to 1 for each x.

    The coarsest grid on which log p(x) passes the check of `grid_log_likelihood`, one for
    all of x. An expectation E[f(z) | x] is exp(log_probs).T @ f(points).

    Returns:
        points (m, latent_dim), log_probs (m, batch); NumPy.
    Raises:
        ValueError: as grid_log_likelihood; and if the table would not fit in a gigabyte.
    """
    model, x, dim = _check(model, x)
    before = None
    for size in SIZES[dim]:
        if size**dim * len(x) > MAX_TABLE:
            raise ValueError(
                f"{len(x)} posteriors on {size}^{dim} nodes do not fit in a gigabyte: pass fewer x"
            )
        points, log_cells = _grid(dim, size)
        log_joint = _log_joint(model, x, points, log_cells)
        answers = np.asarray(logsumexp(log_joint, axis=0))
        look_at(answers, model, prior_of(merge(model)), x)
        if before is not None:
            errors = _error_left(np.abs(answers - before), is_first=size == SIZES[dim][1])
            if errors.mean() <= TOLERANCE:
                _check_answers(model, x, dim, answers)
                return points, np.asarray(log_joint) - answers[None]
        before = answers
    raise _too_rugged(size, errors)


def _check(model, x):
    """The model split, x as floats, the number of latents."""
    dim = getattr(model, "latent_dim", None)
    model, x = check_model(model, x)
    if dim not in SIZES:
        raise ValueError(
            f"quadrature needs latent_dim 1 or 2, got {dim}: "
            "use prior_log_likelihood, whose cost does not explode with the dimension"
        )
    if not isinstance(model, Split):
        raise ValueError("quadrature refines its grid by what it finds: call it outside of jax.jit")
    supported("x", x, facts_of(model, x).support)
    return model, x, dim


def _error_left(differences: np.ndarray, *, is_first: bool) -> np.ndarray:
    return differences if is_first else np.minimum(1, differences) * differences


def _too_rugged(size: int, errors: np.ndarray) -> ValueError:
    return ValueError(
        f"on {size} nodes an axis the mean over x is still off by {errors.mean():.2g} nats (image "
        f"{errors.argmax()} most of all): p(x | z) is too rugged in z"
    )


def _grid(dim: int, size: int, new_only: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (m, dim), and the log of each one's cell (m,); all, or those a coarser grid lacks."""
    end = np.arcsinh(2 * EDGE) / 2
    t, step = np.linspace(-end, end, size, retstep=True)
    nodes, cells = np.sinh(2 * t) / 2, np.cosh(2 * t) * step
    log_cells = np.log(cells)
    index = np.indices((size,) * dim).reshape(dim, -1).T
    if new_only:
        index = index[(index % 2).any(axis=1)]
    return nodes[index].astype(np.float32), log_cells[index].sum(axis=1).astype(np.float32)


def _integrate(model, x, points, log_cells) -> np.ndarray:
    """log of the sum over nodes of cell_i p(points_i) p(x | points_i); (batch,)."""
    blocks = [jnp.asarray(part) for part in _in_blocks(points, log_cells)]

    def step(carry, first, stop):
        return _add_blocks(model, x, *blocks, carry, first, stop)

    return np.array(log_total(paced(step, no_log_terms(len(x)), len(blocks[0]))))


def _log_joint(model, x, points, log_cells) -> jax.Array:
    """log of cell_i p(points_i) p(x | points_i); (m, batch)."""
    return _log_terms(model, x, *_in_blocks(points, log_cells))[: len(points)]


def _in_blocks(points, log_cells):
    missing = -len(points) % BLOCK
    points = np.pad(points, ((0, missing), (0, 0))).reshape(-1, BLOCK, points.shape[1])
    log_cells = np.pad(log_cells, (0, missing), constant_values=-np.inf)
    return points, log_cells.reshape(-1, BLOCK)


@compiled
def _add_blocks(model, x, points, log_cells, carry, first, stop):
    def add(index, carry):
        return add_log_terms(carry, _block_terms(model, x, points[index], log_cells[index]))

    return jax.lax.fori_loop(first, stop, add, carry)


@compiled
def _log_terms(model, x, points, log_cells):
    blocks = jax.lax.map(lambda b: _block_terms(model, x, *b), (points, log_cells))
    return blocks.reshape(-1, len(x))


def _block_terms(model, x, z, log_cells):
    log_prior = prior_of(model).log_prob(z) + log_cells
    return log_likelihood(model, z, x, ()) + log_prior[:, None]


def _check_answers(model, x, dim, answers) -> None:
    """Raises ValueError if an answer cannot be right."""
    image = np.abs(answers).argmax()
    spacing = np.spacing(np.abs(answers[image]))
    if not spacing <= TOLERANCE:
        raise ValueError(
            f"log p(x) of image {image} is {answers[image]:.4g}: {answers.dtype} holds such "
            f"numbers to {spacing:.2g} nats only. Bring x to a scale of about 1, or use 64 bits "
            "(jax.config.update('jax_enable_x64', True))"
        )
    points, log_cells = _grid(dim, SIZES[dim][0])
    edge = np.abs(points).max(axis=-1) > 0.95 * EDGE
    share = np.exp(_integrate(model, x, points[edge], log_cells[edge]) - answers)
    if share.mean() > TOLERANCE:
        raise ValueError(
            f"{np.sum(share > TOLERANCE)} of {len(x)} images (number {share.argmax()} most of all) "
            f"have their posterior at the edge of the grid, |z| = {EDGE:g}: it would be missed"
        )
