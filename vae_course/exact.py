"""Exact log p(x), in nats: a closed form, and quadrature where z has one or two dimensions.

Every estimate of this course is shown beside one of these.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.lax import Precision

from vae_course.distributions import Gaussian, MultivariateGaussian
from vae_course.estimators import check_batch, streamed_log_sum_exp

EDGE = 6.0  # the grid is [-6, 6]: a standard normal leaves 2e-9 of its mass outside
SIZES = {1: (1025, 2049, 4097, 8193, 16385), 2: (65, 129, 257, 513, 1025, 2049)}
TOLERANCE = 0.01  # nats
BLOCK = 512  # nodes held in memory at once


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LinearGaussian:
    """z ~ N(0, I), x | z ~ N(weights @ z + bias, noise_var * I): all in closed form.

    Probabilistic principal component analysis (Tipping & Bishop 1999).

    Args:
        weights: (data_dim, latent_dim); bias: (data_dim,); noise_var: scalar > 0.
    """

    weights: jax.Array
    bias: jax.Array
    noise_var: jax.Array

    @property
    def latent_dim(self) -> int:
        return self.weights.shape[1]

    def decode(self, z: jax.Array) -> Gaussian:
        """p(x | z) for z (..., latent_dim)."""
        product = jnp.matmul(z, self.weights.T, precision=Precision.HIGHEST)
        mean = product + jnp.broadcast_to(self.bias, product.shape)
        return Gaussian(mean, jnp.full(mean.shape, jnp.log(self.noise_var)))

    def log_likelihood(self, x: jax.Array) -> jax.Array:
        """log N(x; bias, weights @ weights.T + noise_var * I) for x (batch, data_dim)."""
        product = jnp.matmul(self.weights, self.weights.T, precision=Precision.HIGHEST)
        covariance = product + self.noise_var * jnp.eye(len(self.bias))
        return MultivariateGaussian(self.bias, covariance).log_prob(x)

    def posterior(self, x: jax.Array) -> MultivariateGaussian:
        """p(z | x) for x (batch, data_dim): one mean an image, one covariance for all."""
        product = jnp.matmul(self.weights.T, self.weights, precision=Precision.HIGHEST)
        precision = jnp.eye(self.latent_dim) + product / self.noise_var
        covariance = jnp.linalg.inv(precision)
        residual = x - jnp.broadcast_to(self.bias, x.shape)
        projected = jnp.matmul(residual, self.weights, precision=Precision.HIGHEST)
        mean = jnp.matmul(projected, covariance, precision=Precision.HIGHEST) / self.noise_var
        return MultivariateGaussian(mean, covariance)


def grid_log_likelihood(model, x: jax.Array) -> jax.Array:
    """log p(x) by the trapezoid rule over z in [-6, 6]^latent_dim.

    The mean over x is good to 0.01 nats; a single image of many may be off by more.

    The nodes are even in t, where z = sinh(2t) / 2: close together near 0, where
    the prior keeps its mass and decoders their detail. Each answer is compared with
    the one from every second node. Halving the spacing at least squares the relative
    error of this rule, once it converges (Trefethen & Weideman 2014): a difference of d
    leaves an error of about d * d (the first time we count all of d). Images above
    0.01 nats get a grid twice as fine, until the mean over x of these errors is 0.01.

    Args:
        model: anything with `decode`, and `latent_dim` 1 or 2.
        x: (batch, data_dim).
    Returns:
        (batch,), in nats.
    Raises:
        ValueError: if latent_dim is above 2; if even the finest grid is not fine enough;
            or if posteriors lie at the grid's edge.
    """
    check_batch(x, 1)
    if model.latent_dim not in SIZES:
        raise ValueError(
            f"quadrature wants latent_dim 1 or 2, got {model.latent_dim}: "
            "use prior_log_likelihood, whose cost does not explode with the dimension"
        )
    dim = model.latent_dim
    first, *finer = SIZES[dim]
    answers = _integrate(model, x, *_grid(dim, first))
    errors, pending = np.empty(len(x)), np.arange(len(x))
    for size in finer:
        # Repeated up to a multiple of 256: few shapes, so few compilations.
        rows = np.resize(pending, min(len(x), -(-len(pending) // 256) * 256))
        new = _integrate(model, x[rows], *_grid(dim, size, new_only=True))[: len(pending)]
        # The old nodes are every second one, and their cells shrink to half an axis.
        fine = np.logaddexp(answers[pending] - dim * np.log(2), new)
        differences = np.abs(fine - answers[pending])
        share_left = 1 if size == finer[0] else np.minimum(1, differences)
        errors[pending] = share_left * differences
        answers[pending] = fine
        if errors.mean() <= TOLERANCE:
            _check_edge(model, x, answers)
            return jnp.asarray(answers)
        pending = np.flatnonzero(errors > TOLERANCE)
    raise ValueError(
        f"on {size} nodes an axis the mean over x is still off by {errors.mean():.2g} nats (image "
        f"{errors.argmax()} most of all): p(x | z) is too rugged in z"
    )


def _grid(dim: int, size: int, new_only: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (m, dim), and log(prior * cell) at each (m,); all, or those a coarser grid lacks."""
    end = np.arcsinh(2 * EDGE) / 2
    t, step = np.linspace(-end, end, size, retstep=True)
    nodes, cells = np.sinh(2 * t) / 2, np.cosh(2 * t) * step
    log_weights = np.log(cells) - 0.5 * nodes**2 - 0.5 * np.log(2 * np.pi)
    index = np.indices((size,) * dim).reshape(dim, -1).T
    if new_only:
        index = index[(index % 2).any(axis=1)]
    return nodes[index].astype(np.float32), log_weights[index].sum(axis=1).astype(np.float32)


def _integrate(model, x, points, log_weights) -> np.ndarray:
    """log sum_i exp(log_weights_i) p(x | points_i); (batch,)."""
    missing = -len(points) % BLOCK
    points = np.pad(points, ((0, missing), (0, 0))).reshape(-1, BLOCK, points.shape[1])
    log_weights = np.pad(log_weights, (0, missing), constant_values=-np.inf)
    return np.array(_log_integral(model, x, points, log_weights.reshape(-1, BLOCK)))


@nnx.jit
def _log_integral(model, x, points, log_weights):
    def log_terms(block):
        z, log_weight = block
        return model.decode(z).log_prob_pairs(x) + log_weight[:, None]

    return streamed_log_sum_exp(log_terms, (points, log_weights), len(x))


def _check_edge(model, x, answers) -> None:
    points, log_weights = _grid(model.latent_dim, SIZES[model.latent_dim][0])
    edge = np.abs(points).max(axis=-1) > 0.95 * EDGE
    share = np.exp(_integrate(model, x, points[edge], log_weights[edge]) - answers)
    if share.mean() > TOLERANCE:
        raise ValueError(
            f"{np.sum(share > TOLERANCE)} of {len(x)} images (number {share.argmax()} most of all) "
            f"have their posterior at the edge of the grid, |z| = {EDGE:g}: it would be missed"
        )
