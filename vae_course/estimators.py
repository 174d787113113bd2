"""Estimates of log p(x), in nats per image, by sampling.

Every function takes a model (anything with `latent_dim` and `decode`), is
compiled once for each set of shapes, and streams over its samples: asking for
more of them costs time, not memory.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jax.scipy.special import logsumexp

from vae_course.distributions import standard_normal

BLOCK = 512  # samples held in memory at once


def log_mean_exp(log_values: jax.Array, axis: int = 0) -> jax.Array:
    """log of the mean of exp(log_values) along `axis`, without under- or overflow."""
    log_values = jnp.asarray(log_values)
    if log_values.ndim == 0 or log_values.shape[axis] == 0:
        raise ValueError(f"nothing to average: shape {log_values.shape}, axis {axis}")
    return logsumexp(log_values, axis=axis) - math.log(log_values.shape[axis])


def prior_log_likelihood(model, x: jax.Array, key: jax.Array, *, num_samples: int) -> jax.Array:
    """log of the mean of p(x | z_i), z_i ~ N(0, I): prior Monte Carlo.

    exp of it is an unbiased estimate of p(x); itself it is biased low (Jensen).

    Args:
        x: (batch, data_dim). All images see the same samples, so their errors
            are correlated: average over keys, not only over images.
        num_samples: how many z to draw; memory does not grow with it.
    Returns:
        (batch,), in nats.
    Raises:
        ValueError: if x is not a matrix or num_samples is not a positive integer.
    """
    check_batch(x, num_samples)
    return _prior_log_likelihood(model, x, key, num_samples=num_samples)


@partial(nnx.jit, static_argnames="num_samples")
def _prior_log_likelihood(model, x, key, *, num_samples):
    block = min(BLOCK, num_samples)
    num_blocks = -(-num_samples // block)
    prior = standard_normal(model.latent_dim)

    def log_terms(inputs):
        key, first = inputs
        log_probs = model.decode(prior.sample(key, block)).log_prob_pairs(x)
        unused = first + jnp.arange(block) >= num_samples  # only in the last block
        return jnp.where(unused[:, None], -jnp.inf, log_probs)

    blocks = jax.random.split(key, num_blocks), block * jnp.arange(num_blocks)
    return streamed_log_sum_exp(log_terms, blocks, len(x)) - math.log(num_samples)


def streamed_log_sum_exp(log_terms, blocks, batch: int) -> jax.Array:
    """log of the sum of exp(log_terms(block)), over all blocks and their rows; (batch,).

    Only one block's terms, (rows, batch), are in memory at a time. The running sum
    is kept relative to the largest term so far: adding up logs instead would lose
    every block smaller than the float32 spacing of the total.
    """

    def add(carry, block):
        peak, total = carry
        terms = log_terms(block)
        new_peak = jnp.maximum(peak, jnp.max(terms, axis=0))
        added = jnp.sum(jnp.exp(terms - new_peak[None]), axis=0)
        return (new_peak, total * jnp.exp(peak - new_peak) + added), None

    lowest = jnp.full(batch, jnp.finfo(jnp.float32).min)  # finite: -inf - -inf is NaN
    (peak, total), _ = jax.lax.scan(add, (lowest, jnp.zeros(batch)), blocks)
    return peak + jnp.log(total)


def check_batch(x: jax.Array, num_samples: int) -> None:
    """Raises ValueError where an estimator could only fail later, or less clearly."""
    if jnp.ndim(x) != 2 or not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(
            f"x must be a float array of shape (batch, data_dim), got {x.dtype} "
            f"{x.shape}; one image is x[None]"
        )
    if not isinstance(num_samples, int) or num_samples < 1:
        raise ValueError(f"num_samples must be a positive integer, got {num_samples!r}")
