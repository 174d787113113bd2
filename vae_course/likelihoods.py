"""Likelihoods: from what a network puts out to a distribution over x.

A likelihood turns outputs of shape (..., outputs_per_dim * data_dim) into a distribution
over (..., data_dim). `Bernoulli` and `ContinuousBernoulli` are likelihoods as they are
(outputs_per_dim is 1 where it is not given).
"""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
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
class CategoricalPixels:
    """A likelihood: a `Categorical` over `num_levels` levels for each value."""

    num_levels: int

    def __post_init__(self):
        if positive_integer("num_levels", self.num_levels) < 2:
            raise ValueError("CategoricalPixels needs two levels or more, got 1")

    @property
    def outputs_per_dim(self) -> int:
        return self.num_levels

    def __call__(self, outputs: jax.Array) -> Categorical:
        """(..., K d) -> Categorical over (..., d)."""
        return Categorical(outputs.reshape(*outputs.shape[:-1], -1, self.num_levels))
