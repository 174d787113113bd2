"""Logs of sums and means of exp, without overflow and in bounded memory."""

import math

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp


def log_mean_exp(log_values: jax.Array, axis: int = 0) -> jax.Array:
    """log of the mean of exp(log_values) along `axis`, without under- or overflow."""
    log_values = jnp.asarray(log_values)
    if log_values.ndim == 0 or log_values.shape[axis] == 0:
        raise ValueError(f"nothing to average: shape {log_values.shape}, axis {axis}")
    return logsumexp(log_values, axis=axis) - math.log(log_values.shape[axis])


def blocks_of(num_samples: int, largest: int) -> tuple[int, int]:
    """How many blocks num_samples takes, and the samples in each."""
    block = min(num_samples, largest)
    return -(-num_samples // block), block


def block_keys(key: jax.Array, num_blocks: int) -> jax.Array:
    """A key for each block. One block gets the key itself: then nothing shows the blocks."""
    return key[None] if num_blocks == 1 else jax.random.split(key, num_blocks)


def all_rows(rows, key: jax.Array, num_samples: int, largest: int) -> jax.Array:
    """rows(key, n) -> (n, batch), called once for each block; all of them, (num_samples, batch)."""
    num_blocks, block = blocks_of(num_samples, largest)
    if num_blocks == 1:  # as in training: nothing to stream
        return rows(key, block)
    values = jax.lax.map(lambda one: rows(one, block), block_keys(key, num_blocks))
    return values.reshape(-1, values.shape[-1])[:num_samples]


def streamed_log_mean_exp(rows, key: jax.Array, num_samples: int, largest: int, batch: int):
    """log of the mean of exp over num_samples rows of rows(key, n) -> (n, batch); (batch,).

    The same rows as `all_rows` has, but never all at once.
    """
    num_blocks, block = blocks_of(num_samples, largest)
    if num_blocks == 1:
        return log_mean_exp(rows(key, block))

    def used_rows(inputs):
        key, first = inputs
        unused = first + jnp.arange(block) >= num_samples  # only in the last block
        return jnp.where(unused[:, None], -jnp.inf, rows(key, block))

    blocks = block_keys(key, num_blocks), block * jnp.arange(num_blocks)
    return streamed_log_sum_exp(used_rows, blocks, batch) - math.log(num_samples)


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
