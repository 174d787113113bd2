"""Logs of sums and means of exp, without overflow and in bounded memory."""

import math
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from tqdm import tqdm

from vae_course.checks import is_concrete, numbers, what_is_where

SECONDS = 0.5  # that compiled code runs before Python hears an interrupt


def log_mean_exp(log_values: jax.Array, axis: int = 0) -> jax.Array:
    """log of the mean of exp(log_values) along `axis`, without under- or overflow."""
    log_values = log_weight_array(log_values, axis)
    return logsumexp(log_values, axis=axis) - math.log(log_values.shape[axis])


def log_weight_array(values, axis: int = 0) -> jax.Array:
    """`values` as an array with something along `axis`; concrete ones are numbers or -inf.

    Raises:
        ValueError: if there is nothing to average, or a value is NaN or +inf.
    """
    values = jnp.asarray(numbers("log weights", values))
    if not -values.ndim <= axis < values.ndim or values.shape[axis] == 0:
        raise ValueError(f"nothing to average: shape {values.shape}, axis {axis}")
    if is_concrete(values):
        found = np.asarray(values)
        wrong = np.isnan(found) | (found == np.inf)
        if wrong.any():
            raise ValueError(f"the array of log weights {what_is_where(found, wrong)}")
    return values


def blocks_of(num_samples: int, largest: int) -> tuple[int, int]:
    """How many blocks num_samples takes, and the samples in each."""
    block = min(num_samples, largest)
    return -(-num_samples // block), block


def block_keys(key: jax.Array, num_blocks: int) -> jax.Array:
    """A key for each block. One block gets the key itself: then nothing shows the blocks."""
    return key[None] if num_blocks == 1 else jax.random.split(key, num_blocks)


def used_rows(values: jax.Array, first: jax.Array, num_samples: int, fill=-jnp.inf) -> jax.Array:
    """`values`, rows `first` and on of num_samples, with `fill` where there are no more."""
    unused = first + jnp.arange(len(values)) >= num_samples  # only in the last block
    return jnp.where(unused[:, None], fill, values)


def no_log_terms(batch: int) -> tuple[jax.Array, jax.Array]:
    """The sum of no terms: (peak, total), each (batch,)."""
    lowest = jnp.full(batch, jnp.finfo(jnp.float32).min)  # finite: -inf - -inf is NaN
    return lowest, jnp.zeros(batch)


def add_log_terms(carry, terms: jax.Array):
    """Adds exp(terms), (rows, batch), to a sum that is kept as (peak, total).

    Relative to the largest term so far: adding up logs instead would lose every block
    smaller than the float32 spacing of the total.
    """
    peak, total = carry
    new_peak = jnp.maximum(peak, jnp.max(terms, axis=0).astype(peak.dtype))
    added = jnp.sum(jnp.exp(terms - new_peak[None]), axis=0)
    return new_peak, total * jnp.exp(peak - new_peak) + added


def log_total(carry) -> jax.Array:
    """log of the sum that `add_log_terms` has kept; (batch,)."""
    peak, total = carry
    return peak + jnp.log(total)


def progress(total: int, unit: str, **options) -> tqdm:
    """A bar on stdout, since notebooks show stderr in red; of several hosts the first has one."""
    if jax.process_index():
        options["disable"] = True
    return tqdm(total=total, unit=unit, leave=False, file=sys.stdout, **options)


def paced(step, carry, total: int, *, unit: str = "block", bar: tqdm | None = None):
    """step(carry, first, stop) -> carry, from 0 to `total` in calls of about half a second.

    Between calls an interrupt is heard; a bar shows where one waits for more than a second.
    Several hosts take one call: their clocks would disagree about what to compute next.
    """
    first, size = 0, 1 if jax.process_count() == 1 else total
    own = progress(total, unit, delay=1) if bar is None else None
    try:
        while first < total:
            start, stop = time.perf_counter(), min(first + size, total)
            carry = jax.block_until_ready(step(carry, first, stop))
            (own or bar).update(stop - first)
            share = SECONDS / max(time.perf_counter() - start, 1e-6)
            first, size = stop, max(1, int(size * min(4, share)))
    finally:
        if own is not None:
            own.close()
    return carry
