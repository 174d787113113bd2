"""Exercises of lesson 08: one sample of the ELBO by hand, and the rate of each latent."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import bernoulli, norm

from vae_course.lesson.exercises.exercise import Exercise

NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(40)  # for averages over N(0, 1)


@dataclass(frozen=True)
class Decode:
    """z -> logits, (batch, data_dim)."""

    weights: np.ndarray

    def __call__(self, z):
        if isinstance(z, np.ndarray):
            return z @ self.weights
        return jnp.matmul(z, self.weights.astype(np.float32), precision=jax.lax.Precision.HIGHEST)


def image_and_q(rng, batch, data_dim, latent_dim):
    x = rng.integers(0, 2, size=(batch, data_dim)).astype(float)
    return (
        x,
        *rng.normal(size=(3, batch, latent_dim)),
        Decode(rng.normal(size=(latent_dim, data_dim))),
    )


def rates(mean, log_var):
    """KL(N(mean, var) || N(0, 1)) of each latent, by Gauss-Hermite quadrature."""
    mean, std = mean[..., None], np.exp(0.5 * log_var)[..., None]
    z = mean + std * NODES
    return (norm(mean, std).logpdf(z) - norm.logpdf(z)) @ NODE_WEIGHTS / NODE_WEIGHTS.sum()


def elbo(x, mean, log_var, noise, decode, sign=-1, scale=0.5, over=np.sum, rate_over=np.sum):
    z = mean + np.exp(scale * log_var) * noise
    log_p = bernoulli(1 / (1 + np.exp(-decode(z)))).logpmf(x)
    return over(log_p, axis=-1) + sign * rate_over(rates(mean, log_var), axis=-1)


EXERCISES = {
    "08.1": Exercise(  # fn(x, mean, log_var, noise, decode) -> log p(x | z) - KL(q || N(0, I))
        inputs=image_and_q,
        sizes=[(3, 5, 2), (6, 9, 3), (2, 7, 1)],
        right=elbo,
        returns="one number per image, (batch,)",
        mistakes={
            "The reconstruction looks like the mean over pixels: sum it.": (
                lambda *a: elbo(*a, over=np.mean)
            ),
            "The rate is averaged over latents: sum it.": lambda *a: elbo(*a, rate_over=np.mean),
            "The rate is missing.": lambda *a: elbo(*a, sign=0),
            "You add the rate: the ELBO is reconstruction less rate.": lambda *a: elbo(*a, sign=1),
            "That is the loss, minus the ELBO: flip the sign.": lambda *a: -elbo(*a),
            "The noise is missing: you decode the mean of q, not a sample of it.": (
                lambda x, mean, log_var, noise, decode: elbo(x, mean, log_var, 0, decode)
            ),
            "exp(log_var) is a variance: the noise is scaled by its square root.": (
                lambda *a: elbo(*a, scale=1)
            ),
        },
    ),
    "08.2": Exercise(  # fn(mean, log_var, each (batch, latent_dim)) -> mean KL of each latent
        inputs=lambda rng, *shape: (rng.normal(size=shape), rng.normal(size=shape)),
        sizes=[(5, 3), (3, 5), (8, 2)],
        right=lambda m, s: rates(m, s).mean(axis=0),
        returns="one number per latent, averaged over the images, (latent_dim,)",
        mistakes={
            "That is the sum over the images: average them.": lambda m, s: rates(m, s).sum(axis=0),
            "The factor 1/2 is missing.": lambda m, s: 2 * rates(m, s).mean(axis=0),
            "The sign is flipped: a KL is never below 0.": lambda m, s: -rates(m, s).mean(axis=0),
            "You used log_var where the variance belongs: exponentiate it.": (
                lambda m, s: 0.5 * (m**2 - 1).mean(axis=0)
            ),
        },
    ),
}
