"""Three distributions, as pytrees: event = last axis, log densities in nats.

Each keeps its parameters in arrays whose leading axes are a batch, so that one
object can hold the distributions of a thousand images.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.lax import Precision

LOG_2PI = 1.8378770664093453


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Bernoulli:
    """Independent coin flips with the given log-odds, `logits` of shape (..., d).

    Logits and not probabilities: x * logit - softplus(logit) stays exact at
    logit = 200, where a float32 probability has long been rounded to 1.
    """

    logits: jax.Array

    @property
    def mean(self) -> jax.Array:
        """The probability of a one; shape (..., d)."""
        return jax.nn.sigmoid(self.logits)

    @property
    def mode(self) -> jax.Array:
        """The likelier of 0 and 1; shape (..., d)."""
        return (self.logits > 0).astype(self.logits.dtype)

    def log_prob(self, x: jax.Array) -> jax.Array:
        """log p(x) in nats, summed over the last axis; shape (...,)."""
        x, logits = aligned(x, self.logits)
        return jnp.sum(x * logits - jax.nn.softplus(logits), axis=-1)

    def log_prob_pairs(self, x: jax.Array) -> jax.Array:
        """Every x against every parameter row, in one matrix product.

        Args:
            x: (batch, d), against logits of shape (num_params, d).
        Returns:
            log p(x_j | logits_i) in nats; shape (num_params, batch).
        Raises:
            ValueError: if either is not a matrix, or the last axes differ.
        """
        check_pairs(x, self.logits)
        normaliser = jnp.sum(jax.nn.softplus(self.logits), axis=-1, keepdims=True)
        return matrix_product(self.logits, x) - normaliser

    def sample(self, key: jax.Array, num_samples: int) -> jax.Array:
        """Zeros and ones, float32; shape (num_samples, ..., d)."""
        mean = jnp.broadcast_to(self.mean, (num_samples, *self.logits.shape))
        return jax.random.bernoulli(key, mean).astype(jnp.float32)

    def sample_and_log_prob(self, key: jax.Array, num_samples: int):
        """Samples (num_samples, ..., d) and their log p (num_samples, ...)."""
        x = self.sample(key, num_samples)
        return x, self.log_prob(x)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Gaussian:
    """Independent normals; `mean` and `log_var` of the same shape (..., d)."""

    mean: jax.Array
    log_var: jax.Array

    @property
    def mode(self) -> jax.Array:
        """The mean; shape (..., d)."""
        return self.mean

    def log_prob(self, x: jax.Array) -> jax.Array:
        """log p(x) in nats, summed over the last axis; shape (...,)."""
        x, mean, log_var = aligned(x, self.mean, self.log_var)
        squares = jnp.square(x - mean) * jnp.exp(-log_var)
        return -0.5 * jnp.sum(squares + log_var + LOG_2PI, axis=-1)

    def log_prob_pairs(self, x: jax.Array) -> jax.Array:
        """Every x against every parameter row, in one matrix product.

        Args:
            x: (batch, d), against means of shape (num_params, d).
        Returns:
            log p(x_j | mean_i, log_var_i) in nats; shape (num_params, batch).
        Raises:
            ValueError: if either is not a matrix, or the last axes differ.
        """
        check_pairs(x, self.mean)
        # The square is multiplied out to become a product. Centring first keeps
        # float32 from losing the small difference of two large squares.
        centre = jnp.mean(x, axis=0, keepdims=True)
        x, mean = x - centre, self.mean - centre
        precision = jnp.exp(-self.log_var)
        rows = jnp.concatenate([precision, mean * precision], axis=-1)
        columns = jnp.concatenate([-0.5 * jnp.square(x), x], axis=-1)
        constant = jnp.square(mean) * precision + self.log_var + LOG_2PI
        return matrix_product(rows, columns) - 0.5 * jnp.sum(constant, axis=-1, keepdims=True)

    def sample(self, key: jax.Array, num_samples: int) -> jax.Array:
        """mean + std * noise; shape (num_samples, ..., d)."""
        noise = jax.random.normal(key, (num_samples, *self.mean.shape))
        _, mean, log_var = aligned(noise, self.mean, self.log_var)
        return mean + jnp.exp(0.5 * log_var) * noise

    def sample_and_log_prob(self, key: jax.Array, num_samples: int):
        """Samples (num_samples, ..., d) and their log p (num_samples, ...)."""
        x = self.sample(key, num_samples)
        return x, self.log_prob(x)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class MultivariateGaussian:
    """A normal with any covariance: `mean` (..., d), one `covariance` (d, d)."""

    mean: jax.Array
    covariance: jax.Array

    def log_prob(self, x: jax.Array) -> jax.Array:
        """log p(x) in nats; shape (...,)."""
        x, mean = aligned(x, self.mean)
        cholesky = jnp.linalg.cholesky(self.covariance)
        residual = jnp.moveaxis(x - mean, -1, 0).reshape(x.shape[-1], -1)
        white = jax.scipy.linalg.solve_triangular(cholesky, residual, lower=True)
        squares = jnp.sum(jnp.square(white), axis=0).reshape(x.shape[:-1])
        log_determinant = 2 * jnp.sum(jnp.log(jnp.diag(cholesky)))
        return -0.5 * (squares + log_determinant + x.shape[-1] * LOG_2PI)

    def sample(self, key: jax.Array, num_samples: int) -> jax.Array:
        """mean + cholesky @ noise; shape (num_samples, ..., d)."""
        noise = jax.random.normal(key, (num_samples, *self.mean.shape))
        cholesky = jnp.linalg.cholesky(self.covariance)
        _, mean = aligned(noise, self.mean)
        return mean + jnp.matmul(noise, cholesky.T, precision=Precision.HIGHEST)

    def sample_and_log_prob(self, key: jax.Array, num_samples: int):
        """Samples (num_samples, ..., d) and their log p (num_samples, ...)."""
        x = self.sample(key, num_samples)
        return x, self.log_prob(x)


def kl_to_standard_normal(gaussian: Gaussian) -> jax.Array:
    """KL(gaussian || N(0, I)) in nats, summed over the last axis; shape (...,)."""
    mean, log_var = gaussian.mean, gaussian.log_var
    return 0.5 * jnp.sum(jnp.exp(log_var) + jnp.square(mean) - 1 - log_var, axis=-1)


def standard_normal(dim: int) -> Gaussian:
    """The prior of this course, N(0, I) in `dim` dimensions."""
    return Gaussian(jnp.zeros(dim), jnp.zeros(dim))


def aligned(*arrays: jax.Array) -> tuple[jax.Array, ...]:
    """Broadcasts the leading axes on purpose, so that no other ever does silently."""
    if len({jnp.shape(a)[-1:] for a in arrays}) > 1:
        shapes = " and ".join(str(jnp.shape(a)) for a in arrays)
        raise ValueError(f"the last axes must be equal, got shapes {shapes}")
    shape = jnp.broadcast_shapes(*(jnp.shape(a) for a in arrays))
    return tuple(jnp.broadcast_to(a, shape) for a in arrays)


def check_pairs(x: jax.Array, parameters: jax.Array) -> None:
    if x.ndim != 2 or parameters.ndim != 2 or x.shape[1] != parameters.shape[1]:
        raise ValueError(
            "log_prob_pairs wants x of shape (batch, d) and parameters of shape "
            f"(num_params, d), got {x.shape} and {parameters.shape}"
        )


def matrix_product(rows: jax.Array, columns: jax.Array) -> jax.Array:
    # Accelerators round the inputs of a product to 10 bits unless told not to:
    # over 784 pixels that costs whole nats.
    return jnp.matmul(rows, columns.T, precision=Precision.HIGHEST)
