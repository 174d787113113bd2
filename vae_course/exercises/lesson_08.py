"""Examiners of lesson 08: one sample of the ELBO by hand, and the rate of each latent."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import bernoulli, norm

from vae_course.exercises.diagnosis import diagnose

NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(40)  # for averages over N(0, 1)


def examine_elbo(fn) -> str | None:
    """fn(x, mean, log_var, noise, decode) -> log p(x | z) - KL(q || N(0, I)), (batch,)."""
    for seed, (batch, data_dim, latent_dim) in enumerate([(3, 5, 2), (6, 9, 3), (2, 7, 1)]):
        rng = np.random.default_rng(seed)
        x = rng.integers(0, 2, size=(batch, data_dim)).astype(float)
        mean, log_var, noise = rng.normal(size=(3, batch, latent_dim))
        weights = rng.normal(size=(latent_dim, data_dim))

        def reconstruction(z, x=x, weights=weights):
            return bernoulli(1 / (1 + np.exp(-z @ weights))).logpmf(x)  # (batch, data_dim)

        rates = _rates(mean, log_var)  # (batch, latent_dim)
        z = mean + np.exp(0.5 * log_var) * noise
        log_p, rate = reconstruction(z).sum(-1), rates.sum(-1)
        mistakes = {
            "The reconstruction looks like the mean over pixels: sum it.": (
                reconstruction(z).mean(-1) - rate
            ),
            "The rate is averaged over latents: sum it.": log_p - rates.mean(-1),
            "The rate is missing.": log_p,
            "You add the rate: the ELBO is reconstruction less rate.": log_p + rate,
            "That is the loss, minus the ELBO: turn the sign round.": rate - log_p,
            "The noise is missing: you decode the mean of q, not a sample of it.": (
                reconstruction(mean).sum(-1) - rate
            ),
            "exp(log_var) is a variance: the noise is scaled by its square root.": (
                reconstruction(mean + np.exp(log_var) * noise).sum(-1) - rate
            ),
        }

        def decode(z, weights=weights):
            return jnp.matmul(z, weights, precision=jax.lax.Precision.HIGHEST)

        arguments = (jnp.array(a, jnp.float32) for a in (x, mean, log_var, noise))
        diagnosis = diagnose(fn(*arguments, decode), log_p - rate, mistakes)
        if diagnosis:
            return diagnosis
    return None


def examine_rates(fn) -> str | None:
    """fn(mean, log_var, each (batch, latent_dim)) -> KL of each latent, mean over images."""
    for seed, shape in enumerate([(5, 3), (3, 5), (8, 2)]):
        rng = np.random.default_rng(seed)
        mean, log_var = rng.normal(size=(2, *shape))
        rates = _rates(mean, log_var)
        right = rates.mean(0)
        mistakes = {
            "That is the sum over the images: average them.": rates.sum(0),
            "The factor 1/2 is missing.": 2 * right,
            "The sign is turned round: a KL is never below 0.": -right,
            "You used log_var where the variance belongs: exponentiate it.": (
                0.5 * (log_var + mean**2 - 1 - log_var).mean(0)
            ),
        }
        answer = fn(*(jnp.array(a, jnp.float32) for a in (mean, log_var)))
        if np.shape(answer) == shape[:1]:
            return "That is one number for each image: average over images, keep the latents apart."
        diagnosis = diagnose(answer, right, mistakes)
        if diagnosis:
            return diagnosis
    return None


def _rates(mean, log_var) -> np.ndarray:
    """KL(N(mean, var) || N(0, 1)) of each latent, by Gauss-Hermite quadrature."""
    std = np.exp(0.5 * log_var)
    z = mean[..., None] + std[..., None] * NODES
    log_ratio = norm(mean[..., None], std[..., None]).logpdf(z) - norm.logpdf(z)
    return log_ratio @ NODE_WEIGHTS / NODE_WEIGHTS.sum()


EXAMINERS = {"08.1": examine_elbo, "08.2": examine_rates}
