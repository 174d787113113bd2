"""A model whose log p(x), posterior and ELBO have closed forms, in nats.

Every estimate of this course is shown beside an exact answer: this one, or quadrature.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.lax import Precision

from vae_course.distributions import Gaussian, MultivariateGaussian, kl_to_standard_normal


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

    def elbo(self, x: jax.Array, q: Gaussian) -> jax.Array:
        """E_q[log p(x | z)] - KL(q || N(0, I)) for x (batch, data_dim); (batch,).

        The expected square is that at the mean of q, plus what the spread of q adds:
        sum_j var_j |weights_j|^2.
        """
        spread = jnp.matmul(
            jnp.exp(q.log_var),
            jnp.sum(jnp.square(self.weights), axis=0),
            precision=Precision.HIGHEST,
        )
        at_the_mean = self.decode(q.mean).log_prob(x)
        return at_the_mean - 0.5 * spread / self.noise_var - kl_to_standard_normal(q)

    def best_diagonal(self, x: jax.Array) -> Gaussian:
        """The diagonal q of the highest ELBO: the posterior's mean, 1 / diag of its precision.

        (Bishop 2006, section 10.1.2.) It is narrower than the posterior wherever the
        latents are correlated.
        """
        precision = 1 + jnp.sum(jnp.square(self.weights), axis=0) / self.noise_var
        mean = self.posterior(x).mean
        return Gaussian(mean, jnp.broadcast_to(-jnp.log(precision), mean.shape))
