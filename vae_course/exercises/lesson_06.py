"""Examiners of lesson 06: a sample made of noise, and the score function by hand."""

import jax.numpy as jnp
import numpy as np
from scipy.stats import norm

from vae_course.exercises.diagnosis import diagnose


def examine_sample(fn) -> str | None:
    """fn(mean, log_var, noise), each (batch, latent_dim) -> z."""
    for seed, shape in enumerate([(3, 2), (1, 5), (6, 1)]):
        rng = np.random.default_rng(seed)
        mean, log_var, quantile = rng.normal(size=shape), rng.normal(size=shape), rng.random(shape)
        noise, std = norm.ppf(quantile), np.exp(0.5 * log_var)
        answer = np.asarray(fn(*(jnp.array(a, jnp.float32) for a in (mean, log_var, noise))))
        mistakes = {
            "You scale by the log variance itself: exponentiate it.": mean + log_var * noise,
            "You scale by the variance: its square root is the standard deviation.": (
                mean + std**2 * noise
            ),
            "exp(log_var) is a variance, not a standard deviation; you square it once more.": (
                mean + std**4 * noise
            ),
            "The mean is missing.": std * noise,
            "The noise is missing: that is the mean.": mean,
        }
        diagnosis = diagnose(answer, norm(mean, std).ppf(quantile), mistakes)
        if diagnosis:
            return diagnosis
    return None


def examine_score_gradient(fn) -> str | None:
    """fn(z, f, each (num_samples,), mean, std) -> the leave-one-out score-function gradient."""
    for seed, (size, mean, std) in enumerate([(2, 0.3, 0.6), (7, -1.0, 2.0), (40, 0.0, 1.5)]):
        rng = np.random.default_rng(seed)
        z = mean + std * rng.normal(size=size)
        f = 5 + np.sin(z)
        answer = np.asarray(fn(jnp.array(z, jnp.float32), jnp.array(f, jnp.float32), mean, std))
        deviations = (z - mean) / std**2
        right = np.cov(f, deviations)[0, 1]  # leaving one out is what makes it unbiased
        mistakes = {
            "The baseline is missing: right on average, but much noisier.": np.mean(f * deviations),
            "You compare with the average of all samples: leave each one out of its own.": np.mean(
                (f - f.mean()) * deviations
            ),
            "The slope of log q is (z - mean) / std²: divide by the variance.": right * std,
            "The slope of log q is (z - mean) / std²: you do not divide at all.": right * std**2,
            "That is the sum over the samples; return their average.": right * size,
            "The sign is turned round: a good sample should become more probable.": -right,
        }
        diagnosis = diagnose(answer, right, mistakes)
        if diagnosis:
            return diagnosis
    return None


EXAMINERS = {"06.1": examine_sample, "06.2": examine_score_gradient}
