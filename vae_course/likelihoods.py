"""What a decoder can say about x: two more distributions, and likelihoods.

A likelihood turns the outputs of a network, (..., outputs_per_dim * data_dim), into a
distribution over (..., data_dim). `Bernoulli` and `ContinuousBernoulli` are likelihoods as
they are (outputs_per_dim is 1 where it is not given).
"""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from vae_course.distributions import Gaussian, aligned, check_pairs, matrix_product

SMALL = 0.1  # |logit| below which the formulas lose digits and a series is exact to float32


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ContinuousBernoulli:
    """Independent values in [0, 1], density proportional to exp(logit * x); logits (..., d).

    What a Bernoulli's formula becomes for grey values once it is normalised
    (Loaiza-Ganem & Cunningham 2019).
    """

    logits: jax.Array

    @property
    def mean(self) -> jax.Array:
        """Not sigmoid(logits), but closer to 1/2; shape (..., d)."""
        safe = _away_from_zero(self.logits)
        exact = 1 / -jnp.expm1(-safe) - 1 / safe
        series = 0.5 + self.logits / 12 - self.logits**3 / 720
        return jnp.where(jnp.abs(self.logits) < SMALL, series, exact)

    @property
    def mode(self) -> jax.Array:
        """Always an end of the interval, 0 or 1; shape (..., d)."""
        return (self.logits > 0).astype(self.logits.dtype)

    def log_prob(self, x: jax.Array) -> jax.Array:
        """Log density, summed over the last axis, -inf where x leaves [0, 1]; shape (...,)."""
        x, logits = aligned(x, self.logits)
        return jnp.sum(x * logits - _log_normaliser(logits), axis=-1) + _log_inside(x)

    def log_prob_pairs(self, x: jax.Array) -> jax.Array:
        """Every x (batch, d) against every row of logits (num_params, d), as `Bernoulli` does."""
        check_pairs(x, self.logits)
        normaliser = jnp.sum(_log_normaliser(self.logits), axis=-1, keepdims=True)
        return matrix_product(self.logits, x) - normaliser + _log_inside(x)[None]

    def sample(self, key: jax.Array, num_samples: int) -> jax.Array:
        """By the inverse of the distribution function; (num_samples, ..., d)."""
        u = jax.random.uniform(key, (num_samples, *self.logits.shape))
        u, logits = aligned(u, self.logits)
        safe = -jnp.abs(_away_from_zero(logits))  # mirrored, so that exp cannot overflow
        falling = jnp.log1p(u * jnp.expm1(safe)) / safe
        return jnp.clip(jnp.where(logits > 0, 1 - falling, falling), 0, 1)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Categorical:
    """Each value is one of K levels, 0, 1/(K-1), ..., 1; logits (..., d, K)."""

    logits: jax.Array

    @property
    def levels(self) -> jax.Array:
        """The K values; shape (K,)."""
        return jnp.linspace(0, 1, self.logits.shape[-1])

    @property
    def mean(self) -> jax.Array:
        """(..., d)."""
        return jax.nn.softmax(self.logits) @ self.levels

    @property
    def mode(self) -> jax.Array:
        """The likeliest level of each value; (..., d)."""
        return self.levels[jnp.argmax(self.logits, axis=-1)]

    def log_prob(self, x: jax.Array) -> jax.Array:
        """Log probability of the levels nearest to x (..., d), -inf outside [0, 1]; (...,)."""
        picked, log_probs = aligned(
            _one_hot(x, self.logits.shape[-1]), jax.nn.log_softmax(self.logits)
        )
        inside = jnp.broadcast_to(_log_inside(x), picked.shape[:-2])
        return jnp.sum(picked * log_probs, axis=(-2, -1)) + inside

    def log_prob_pairs(self, x: jax.Array) -> jax.Array:
        """Every x (batch, d) against every row of logits (num_params, d, K)."""
        check_pairs(x, self.logits[..., 0])
        log_probs = jax.nn.log_softmax(self.logits).reshape(len(self.logits), -1)
        picked = _one_hot(x, self.logits.shape[-1]).reshape(len(x), -1)
        return matrix_product(log_probs, picked) + _log_inside(x)[None]

    def sample(self, key: jax.Array, num_samples: int) -> jax.Array:
        """(num_samples, ..., d)."""
        shape = (num_samples, *self.logits.shape[:-1])
        return self.levels[jax.random.categorical(key, self.logits, shape=shape)]


@dataclass(frozen=True)
class FixedGaussian:
    """A likelihood: the network says the mean, the standard deviation is given."""

    std: float
    outputs_per_dim: ClassVar[int] = 1

    def __post_init__(self):
        _check_positive("std", self.std)

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
        _check_positive("std", std)
        self.log_var = nnx.Param(jnp.full(num_vars, 2 * jnp.log(std)))

    def __call__(self, outputs: jax.Array) -> Gaussian:
        """(..., d) -> Gaussian over (..., d)."""
        return Gaussian(outputs, jnp.broadcast_to(self.log_var[...], outputs.shape))


@dataclass(frozen=True)
class GaussianPerPixel:
    """A likelihood: the network says mean and variance of every value, down to `min_std`."""

    min_std: float
    outputs_per_dim: ClassVar[int] = 2

    def __post_init__(self):
        _check_positive("min_std", self.min_std)

    def __call__(self, outputs: jax.Array) -> Gaussian:
        """(..., 2 d) -> Gaussian over (..., d)."""
        mean, raw = jnp.split(outputs, 2, axis=-1)
        return Gaussian(mean, jnp.logaddexp(raw, 2 * jnp.log(self.min_std)))


@dataclass(frozen=True)
class Levels:
    """A likelihood: a `Categorical` over `outputs_per_dim` levels for each value."""

    outputs_per_dim: int

    def __post_init__(self):
        if self.outputs_per_dim < 2:
            raise ValueError(f"Levels wants two levels or more, got {self.outputs_per_dim}")

    def __call__(self, outputs: jax.Array) -> Categorical:
        """(..., K d) -> Categorical over (..., d)."""
        return Categorical(outputs.reshape(*outputs.shape[:-1], -1, self.outputs_per_dim))


def _away_from_zero(logits: jax.Array) -> jax.Array:
    # A division by 0 in the branch not taken would still make the gradient NaN.
    return jnp.where(jnp.abs(logits) < 1e-4, 1e-4, logits)


def _log_normaliser(logits: jax.Array) -> jax.Array:
    """log of the integral of exp(logit * x) over [0, 1], that is log((e^logit - 1) / logit)."""
    size = jnp.abs(_away_from_zero(logits))
    exact = jax.nn.relu(logits) + jnp.log(-jnp.expm1(-size) / size)
    series = logits / 2 + logits**2 / 24 - logits**4 / 2880
    return jnp.where(jnp.abs(logits) < SMALL, series, exact)


def _log_inside(x: jax.Array) -> jax.Array:
    """0 where every value of a row lies in [0, 1], else -inf; (...,)."""
    return jnp.where(jnp.all((x >= 0) & (x <= 1), axis=-1), 0.0, -jnp.inf)


def _check_positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name} is a standard deviation and must be positive, got {value}")


def _one_hot(x: jax.Array, num_levels: int) -> jax.Array:
    return jax.nn.one_hot(jnp.round(x * (num_levels - 1)).astype(int), num_levels)
