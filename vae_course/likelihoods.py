"""Likelihoods: from what a network puts out to a distribution over x.

A likelihood turns outputs of shape (..., outputs_per_dim * data_dim) into a distribution
over (..., data_dim). `Bernoulli` and `ContinuousBernoulli` are likelihoods as they are
(outputs_per_dim is 1 where it is not given).
"""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from vae_course.checks import positive_integer, positive_number
from vae_course.distributions import Categorical, Gaussian


@dataclass(frozen=True)
class FixedGaussian:
    """A likelihood: the network says the mean, the standard deviation is given."""

    std: float
    outputs_per_dim: ClassVar[int] = 1

    def __post_init__(self):
        positive_number("std", self.std)

    def __call__(self, outputs: jax.Array) -> Gaussian:
        """(..., d) -> Gaussian over (..., d)."""
        return Gaussian(outputs, jnp.full_like(outputs, 2 * jnp.log(self.std)))


class LearnedGaussian(nnx.Module):
    """A likelihood: the network says the mean, the variance is a parameter, the same for all x.

    Args:
        num_vars: 1, or one for each dimension of x.
        std: the standard deviation that training starts from. Much larger than the data's
            spread, it switches the latents off at first.
    """

    outputs_per_dim = 1

    def __init__(self, num_vars: int, std: float = 1.0):
        std = positive_number("std", std)
        self.log_var = nnx.Param(jnp.full(positive_integer("num_vars", num_vars), 2 * jnp.log(std)))

    def __call__(self, outputs: jax.Array) -> Gaussian:
        """(..., d) -> Gaussian over (..., d)."""
        log_var = self.log_var[...]
        if len(log_var) not in (1, outputs.shape[-1]):
            raise ValueError(
                f"LearnedGaussian has {len(log_var)} variances, for outputs of {outputs.shape[-1]} "
                "dimensions: num_vars is 1 or that"
            )
        return Gaussian(outputs, jnp.broadcast_to(log_var, outputs.shape))


@dataclass(frozen=True)
class GaussianPerPixel:
    """A likelihood: the network says mean and variance of every value, down to `min_std`."""

    min_std: float
    outputs_per_dim: ClassVar[int] = 2

    def __post_init__(self):
        positive_number("min_std", self.min_std)

    def __call__(self, outputs: jax.Array) -> Gaussian:
        """(..., 2 d) -> Gaussian over (..., d)."""
        mean, raw = jnp.split(outputs, 2, axis=-1)
        return Gaussian(mean, jnp.logaddexp(raw, 2 * jnp.log(self.min_std)))


@dataclass(frozen=True)
class _Levels:
    """What likelihoods of `num_levels` levels share: the value of level k is k / (num_levels - 1).

    Raises:
        ValueError: for fewer than two levels.
    """

    num_levels: int

    def __post_init__(self):
        if positive_integer("num_levels", self.num_levels) < 2:
            raise ValueError(f"{type(self).__name__} needs two levels or more, got 1")


class CategoricalPixels(_Levels):
    """A likelihood: a `Categorical` over `num_levels` levels for each value."""

    @property
    def outputs_per_dim(self) -> int:
        return self.num_levels

    def __call__(self, outputs: jax.Array) -> Categorical:
        """(..., K d) -> Categorical over (..., d)."""
        return Categorical(outputs.reshape(*outputs.shape[:-1], -1, self.num_levels))


class BetaBinomialPixels(_Levels):
    """A likelihood of counts out of `num_levels` - 1: two outputs for each value.

    So many coin flips, whose bias is drawn from a beta distribution first, of mean
    sigmoid(first output) and concentration exp(second). A large concentration makes it a
    binomial.
    """

    outputs_per_dim = 2

    def __call__(self, outputs: jax.Array) -> Categorical:
        """(..., 2 d) -> Categorical over (..., d), its logits normalised."""
        logit, log_concentration = jnp.split(outputs, 2, axis=-1)
        # With a (a + 1) ... (a + k - 1) for k ones, in logs that cannot underflow.
        ones = self._log_rising(log_concentration + jax.nn.log_sigmoid(logit))
        zeros = self._log_rising(log_concentration + jax.nn.log_sigmoid(-logit))
        both = self._log_rising(log_concentration)[..., -1:]
        factorials = np.cumsum(np.log(np.maximum(np.arange(self.num_levels), 1)))
        orders = factorials[-1] - factorials - factorials[::-1]
        return Categorical(
            _for_each(jnp.asarray(orders, ones.dtype), logit) + ones + zeros[..., ::-1] - both
        )

    def _log_rising(self, log_a: jax.Array) -> jax.Array:
        """log of a (a + 1) ... (a + k - 1) for k = 0, ..., num_levels - 1; (...) -> (..., K)."""
        added = _for_each(jnp.log(jnp.arange(self.num_levels - 1.0)), log_a)
        factors = jnp.logaddexp(jnp.broadcast_to(log_a[..., None], added.shape), added)
        return jnp.pad(jnp.cumsum(factors, axis=-1), [(0, 0)] * log_a.ndim + [(1, 0)])


class LogisticPixels(_Levels):
    """A likelihood: a logistic density's mass in the cell of each level; two outputs per value.

    The first is the logistic's mean, the second the log of its scale, cut off at a thousandth
    of a cell and at a million. A level is in the middle of its cell; the first and the last cell
    have no outer end, so that no mass is lost (Salimans et al. 2017, equation 2, with one
    component).
    """

    outputs_per_dim = 2

    def __call__(self, outputs: jax.Array) -> Categorical:
        """(..., 2 d) -> Categorical over (..., d), its logits normalised."""
        mean, log_scale = jnp.split(outputs, 2, axis=-1)
        cell = 1 / (self.num_levels - 1)
        scale = jnp.exp(jnp.clip(log_scale, np.log(1e-3 * cell), np.log(1e6)))[..., None]
        edges = _for_each((jnp.arange(1, self.num_levels) - 0.5) * cell, mean)
        at = (edges - mean[..., None]) / scale
        # sigmoid(high) - sigmoid(low) = sigmoid(high) sigmoid(-low) (1 - exp(low - high))
        inside = jnp.log(-jnp.expm1(-cell / scale))
        below, above = jax.nn.log_sigmoid(at), jax.nn.log_sigmoid(-at)
        middle = below[..., 1:] + above[..., :-1] + inside
        return Categorical(jnp.concatenate([below[..., :1], middle, above[..., -1:]], axis=-1))


def _for_each(levels: jax.Array, values: jax.Array) -> jax.Array:
    """levels (K,) beside values (...) -> (..., K)."""
    return jnp.broadcast_to(levels, (*values.shape, len(levels)))
