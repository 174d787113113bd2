"""Models whose log p(x), posterior and ELBO have closed forms, in nats.

Every estimate of this course is shown beside an exact answer: this one, or quadrature.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

from vae_course.distributions import (
    Gaussian,
    MultivariateNormal,
    has_kl_formula,
    kl_divergence,
    matrix_product,
    standard_normal,
)


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
        product = matrix_product(z, self.weights.T)
        mean = product + jnp.broadcast_to(self.bias, product.shape)
        return Gaussian(mean, jnp.full(mean.shape, jnp.log(self.noise_var)))

    def log_likelihood(self, x: jax.Array) -> jax.Array:
        """log N(x; bias, weights @ weights.T + noise_var * I) for x (batch, data_dim)."""
        product = matrix_product(self.weights, self.weights.T)
        covariance = product + self.noise_var * jnp.eye(len(self.bias))
        return MultivariateNormal(self.bias, covariance).log_prob(x)

    def posterior(self, x: jax.Array) -> MultivariateNormal:
        """p(z | x) for x (batch, data_dim): one mean per row, one covariance for all."""
        product = matrix_product(self.weights.T, self.weights)
        precision = jnp.eye(self.latent_dim) + product / self.noise_var
        covariance = jnp.linalg.inv(precision)
        residual = x - jnp.broadcast_to(self.bias, x.shape)
        projected = matrix_product(residual, self.weights)
        mean = matrix_product(projected, covariance) / self.noise_var
        return MultivariateNormal(mean, covariance)

    def exact_elbo(self, q: Gaussian | MultivariateNormal, x: jax.Array) -> jax.Array:
        """E_q[log p(x | z)] - KL(q || N(0, I)) for x (batch, data_dim), by formula; (batch,).

        The expected square is that at the mean of q, plus what the spread of q adds:
        tr(weights.T @ weights @ covariance of q).

        Raises:
            TypeError: if q is not a normal distribution.
        """
        if not has_kl_formula(q, q):
            raise TypeError(f"no exact ELBO for a q that is a {type(q).__name__}; elbo samples it")
        if isinstance(q, Gaussian):
            lengths = jnp.sum(jnp.square(self.weights), axis=0)
            spread = matrix_product(jnp.exp(q.log_var), lengths)
        else:
            product = matrix_product(self.weights.T, self.weights)
            product = jnp.broadcast_to(product, q.covariance.shape)
            spread = jnp.sum(product * q.covariance, axis=(-2, -1))
        at_the_mean = self.decode(q.mean).log_prob(x)
        lost = 0.5 * spread / self.noise_var
        lost += kl_divergence(q, standard_normal(self.latent_dim))
        return at_the_mean - jnp.broadcast_to(lost, at_the_mean.shape)

    def best_diagonal(self, x: jax.Array) -> Gaussian:
        """The diagonal q of the highest ELBO: the posterior's mean, 1 / diag of its precision.

        (Bishop 2006, section 10.1.2.) It is narrower than the posterior wherever the
        latents are correlated.
        """
        precision = 1 + jnp.sum(jnp.square(self.weights), axis=0) / self.noise_var
        mean = self.posterior(x).mean
        return Gaussian(mean, jnp.broadcast_to(-jnp.log(precision), mean.shape))


class LinearVAE(nnx.Module):
    """A VAE with a linear decoder, a linear encoder, and a q whose variances x does not change.

    Its largest ELBO is the largest log p(x) of the linear-Gaussian model (Lucas et al. 2019).

    Args:
        noise_var: a number keeps the noise variance there; None: it is trained, from 1.
    """

    def __init__(
        self,
        latent_dim: int,
        data_dim: int,
        *,
        noise_var: float | None = None,
        rngs: nnx.Rngs,
    ):
        self.latent_dim = latent_dim
        self.decoder = nnx.Linear(latent_dim, data_dim, rngs=rngs)
        self.encoder = nnx.Linear(data_dim, latent_dim, rngs=rngs)
        self.q_log_var = nnx.Param(jnp.zeros(latent_dim))
        kind = nnx.Param if noise_var is None else nnx.Variable  # a Variable is not trained
        self.log_noise_var = kind(jnp.log(1.0 if noise_var is None else noise_var))

    def model(self) -> LinearGaussian:
        """The decoder with its prior: what log p(x) is of."""
        noise_var = jnp.exp(self.log_noise_var[...])
        return LinearGaussian(self.decoder.kernel[...].T, self.decoder.bias[...], noise_var)

    def decode(self, z: jax.Array) -> Gaussian:
        """p(x | z) for z (..., latent_dim)."""
        return self.model().decode(z)

    def encode(self, x: jax.Array) -> Gaussian:
        """q(z | x) for x (..., data_dim)."""
        mean = self.encoder(x)
        return Gaussian(mean, jnp.broadcast_to(self.q_log_var[...], mean.shape))

    def exact_elbo(self, q: Gaussian | MultivariateNormal, x: jax.Array) -> jax.Array:
        """As `LinearGaussian.exact_elbo`; (batch,)."""
        return self.model().exact_elbo(q, x)
