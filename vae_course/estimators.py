"""Estimates of log p(x), in nats per image, by sampling: from the prior, or from a proposal q.

Every function takes a model (anything with `latent_dim` and `decode`; and, where
there is a q, `encode`), is compiled once for each set of shapes, and streams over
its samples: asking for more of them costs time, not memory.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jax.scipy.special import logsumexp

from vae_course.distributions import kl_to_standard_normal, standard_normal

BLOCK = 512  # samples held in memory at once, where the batch shares them
PAIRS = 2**15  # samples times images decoded at once, where each image has its own


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
    prior = standard_normal(model.latent_dim)

    def log_probs(key, n):
        return model.decode(prior.sample(key, n)).log_prob_pairs(x)

    return _streamed_log_mean_exp(log_probs, key, num_samples, BLOCK, len(x))


def importance_log_weights(model, x: jax.Array, key: jax.Array, *, num_samples: int) -> jax.Array:
    """log w_i = log p(x | z_i) + log p(z_i) - log q(z_i | x), z_i ~ q(z | x) = model.encode(x).

    The average of w_i is an unbiased estimate of p(x), wherever q covers the posterior.

    Args:
        x: (batch, data_dim). Each image has samples of its own.
    Returns:
        (num_samples, batch), in nats.
    Raises:
        ValueError: if x is not a matrix or num_samples is not a positive integer.
    """
    check_batch(x, num_samples)
    return _importance_log_weights(model, x, key, num_samples=num_samples)


def elbo(model, x: jax.Array, key: jax.Array, *, num_samples: int = 1) -> jax.Array:
    """The average of log w_i: an unbiased estimate of the evidence lower bound; (batch,)."""
    return jnp.mean(importance_log_weights(model, x, key, num_samples=num_samples), axis=0)


def elbo_analytic_kl(model, x: jax.Array, key: jax.Array, *, num_samples: int = 1) -> jax.Array:
    """The same bound as E_q[log p(x | z)] - KL(q || N(0, I)), the KL by formula; (batch,).

    Only the first term is sampled. encode must return a `Gaussian`.
    """
    check_batch(x, num_samples)
    return _elbo_analytic_kl(model, x, key, num_samples=num_samples)


def iwae_bound(model, x: jax.Array, key: jax.Array, *, num_samples: int) -> jax.Array:
    """L_k with k = num_samples: log of the mean of w_i (Burda et al. 2016); (batch,).

    Below log p(x) on average, and closer to it the larger k; L_1 is the ELBO. Streamed,
    so that k = 100,000 costs time only.
    """
    check_batch(x, num_samples)
    return _iwae_bound(model, x, key, num_samples=num_samples)


def effective_sample_size(log_weights: jax.Array, axis: int = 0) -> jax.Array:
    """(sum w)^2 / sum w^2 (Kong 1992): 1 if one sample has all the weight, N if all share alike."""
    return jnp.exp(2 * logsumexp(log_weights, axis=axis) - logsumexp(2 * log_weights, axis=axis))


@partial(nnx.jit, static_argnames="num_samples")
def _importance_log_weights(model, x, key, *, num_samples):
    q = model.encode(x)
    return _each_sample(lambda key, n: _log_weights(model, q, x, key, n), key, num_samples, len(x))


@partial(nnx.jit, static_argnames="num_samples")
def _elbo_analytic_kl(model, x, key, *, num_samples):
    return elbo_of(model, model.encode(x), x, key, num_samples)


def elbo_of(model, q, x, key, num_samples: int) -> jax.Array:
    """`elbo_analytic_kl` with q given, and not compiled: to be differentiated in q; (batch,)."""

    def reconstruction(key, num_samples):
        return model.decode(q.sample(key, num_samples)).log_prob(x)

    samples = _each_sample(reconstruction, key, num_samples, len(x))
    return jnp.mean(samples, axis=0) - kl_to_standard_normal(q)


def _each_sample(function, key, num_samples: int, batch: int) -> jax.Array:
    """function(key, n) -> (n, batch), called often enough; (num_samples, batch)."""
    num_blocks, block = _blocks(num_samples, _own_block(batch))
    if num_blocks == 1:  # as in training: nothing to stream
        return function(key, block)
    values = jax.lax.map(lambda key: function(key, block), jax.random.split(key, num_blocks))
    return values.reshape(-1, batch)[:num_samples]


@partial(nnx.jit, static_argnames="num_samples")
def _iwae_bound(model, x, key, *, num_samples):
    q = model.encode(x)

    def log_weights(key, n):
        return _log_weights(model, q, x, key, n)

    return _streamed_log_mean_exp(log_weights, key, num_samples, _own_block(len(x)), len(x))


def _log_weights(model, q, x, key, num_samples):
    z, log_q = q.sample_and_log_prob(key, num_samples)  # (num_samples, batch, latent_dim)
    return model.decode(z).log_prob(x) + standard_normal(model.latent_dim).log_prob(z) - log_q


def _own_block(batch: int) -> int:
    return max(1, PAIRS // batch)


def _blocks(num_samples: int, largest: int) -> tuple[int, int]:
    block = min(num_samples, largest)
    return -(-num_samples // block), block


def _streamed_log_mean_exp(log_terms, key, num_samples: int, largest_block: int, batch: int):
    """log of the mean of exp over num_samples rows of log_terms(key, n) -> (n, batch); (batch,)."""
    num_blocks, block = _blocks(num_samples, largest_block)

    def used_terms(inputs):
        key, first = inputs
        unused = first + jnp.arange(block) >= num_samples  # only in the last block
        return jnp.where(unused[:, None], -jnp.inf, log_terms(key, block))

    blocks = jax.random.split(key, num_blocks), block * jnp.arange(num_blocks)
    return streamed_log_sum_exp(used_terms, blocks, batch) - math.log(num_samples)


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
