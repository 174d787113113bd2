"""Examiners of lesson 01: the density of a mixture, and drawing from a model."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import logsumexp

from vae_course.exercises.diagnosis import diagnose
from vae_course.linear import LinearGaussian

NUM_SAMPLES = 20_000


def examine_mixture(fn) -> str | None:
    """fn(x (batch,), means (k,), std) -> log of the average of k Gaussian densities, (batch,)."""
    for seed, (batch, size, far) in enumerate([(5, 2, 0.0), (4, 7, 0.0), (3, 3, 60.0)]):
        rng = np.random.default_rng(seed)
        x, means, std = far + rng.normal(size=batch), 2 * rng.normal(size=size), 0.7
        squares = np.square((x - means[:, None]) / std)  # (k, batch)
        logs = -0.5 * squares - np.log(std) - 0.5 * np.log(2 * np.pi)
        right = logsumexp(logs, axis=0) - np.log(size)
        answer = np.asarray(fn(jnp.array(x), jnp.array(means), std))
        if answer.shape == x.shape and not np.isfinite(answer).all():
            return (
                f"At x = {x[0]:.0f} you return {answer[0]}: far out, every density underflows "
                "to 0. Stay with logs: jax.scipy.special.logsumexp."
            )
        mistakes = {
            "That is the log of the sum: each part has probability 1/k, so subtract log k.": (
                right + np.log(size)
            ),
            "That is the average of the logs; asked is the log of the average.": logs.mean(axis=0),
            "The constant -log(2π)/2 is missing.": right + 0.5 * np.log(2 * np.pi),
            "The term -log(std) is missing.": right + np.log(std),
        }
        diagnosis = diagnose(answer, right, mistakes)
        if diagnosis:
            return diagnosis
    return None


def examine_generate(fn) -> str | None:
    """fn(model, key, num_samples) -> draws of x, (num_samples, data_dim)."""
    for seed, (data_dim, latent_dim) in enumerate([(2, 2), (4, 1), (3, 5)]):
        weights_key, bias_key, key = jax.random.split(jax.random.key(seed), 3)
        weights = jax.random.normal(weights_key, (data_dim, latent_dim))
        bias = 3 * jax.random.normal(bias_key, (data_dim,))
        model = LinearGaussian(weights, bias, jnp.float32(0.8))
        x = np.asarray(fn(model, key, NUM_SAMPLES))
        if x.shape != (NUM_SAMPLES, data_dim):
            return (
                f"Return one row for each sample, shape (num_samples, data_dim) = "
                f"{(NUM_SAMPLES, data_dim)}; yours is {x.shape}."
            )
        diagnosis = _diagnose_draws(x, *(np.asarray(a) for a in (weights, bias)))
        if diagnosis:
            return diagnosis
    return None


def _diagnose_draws(x, weights, bias):
    """By mean and covariance, which the model's are known: six standard errors are allowed."""
    signal, noise = weights @ weights.T, 0.8 * np.eye(len(bias))
    covariance = np.cov(x.T, bias=True)

    def is_covariance(right):
        variances = np.diag(right)
        error = np.sqrt((np.outer(variances, variances) + right**2) / len(x))
        return np.all(np.abs(covariance - right) < 6 * error)

    if is_covariance(signal):
        return "Those are the means of p(x | z), without its noise: draw from the distribution."
    if is_covariance(noise):
        return "Your x do not depend on z: decode the z that you drew."
    if is_covariance(signal / 12 + noise):
        return "Your z look uniform; the prior is N(0, I): jax.random.normal."
    if weights.shape[0] == weights.shape[1]:
        both = weights + np.sqrt(0.8) * np.eye(len(bias))
        if is_covariance(both @ both.T):
            return "z and the noise are the same numbers: split the key, use each half once."
    if not is_covariance(signal + noise):
        return "The covariance of your x is not the model's."
    error = np.sqrt(np.diag(signal + noise) / len(x))
    if np.any(np.abs(x.mean(axis=0) - bias) > 6 * error):
        return "The mean of your x is not the model's."
    return None


EXAMINERS = {"01.1": examine_mixture, "01.2": examine_generate}
