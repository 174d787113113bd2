"""Examiners of lesson 12: mutual information and its ceiling, and a linear VAE's rates."""

import jax.numpy as jnp
import numpy as np
from scipy.special import logsumexp

from vae_course.exercises.diagnosis import diagnose


def examine_information(fn) -> str | None:
    """fn(log q(z_i | x_j) at [j, i]) -> estimate, ceiling."""
    for seed, n in enumerate((4, 25, 9)):
        log_q = np.random.default_rng(seed).normal(size=(n, n)) + 2 * np.eye(n)
        own, ceiling = np.diag(log_q), np.log(n)
        total = logsumexp(log_q, axis=0)
        right = np.array([(own - total).mean() + ceiling, ceiling])
        others = logsumexp(np.where(np.eye(n) > 0, -np.inf, log_q), axis=0) - np.log(n - 1)
        mistakes = {
            "For each draw (column) average over the images (rows): axis 0, not 1.": (
                np.array([(own - logsumexp(log_q, axis=1)).mean() + ceiling, ceiling])
            ),
            "The mean over images, not the sum: 1/n is missing inside the log.": (
                right - [ceiling, 0]
            ),
            "You took the mean of the logs; log of the mean of q is asked for.": (
                np.array([own.mean() - log_q.mean(), ceiling])
            ),
            "The own image belongs into the mean; without it there is no ceiling.": (
                np.array([(own - others).mean(), ceiling])
            ),
            "Turned round: the estimate first, then the ceiling.": right[::-1],
            "The ceiling is the log of n, not n.": np.array([right[0], n]),
        }
        answer = fn(jnp.array(log_q, jnp.float32))
        if not isinstance(answer, tuple) or len(answer) != 2:
            return "Return two numbers: the estimate, then the ceiling."
        diagnosis = diagnose(np.stack(answer), right, mistakes)
        if diagnosis:
            return diagnosis
    return None


def examine_rates(fn) -> str | None:
    """fn(eigenvalues (d,), noise_var) -> rate of each latent, (d,)."""
    for seed, dim in enumerate((5, 8, 3)):
        rng = np.random.default_rng(seed)
        eigenvalues = np.sort(rng.gamma(2, size=dim))[::-1]
        noise_var = float(np.median(eigenvalues)) * 1.1
        ratio = eigenvalues / noise_var
        right = 0.5 * np.log(np.maximum(ratio, 1))
        mistakes = {
            "A latent below the noise is off: its rate is 0, not negative.": 0.5 * np.log(ratio),
            "The factor ½ is missing: these are variances.": 2 * right,
            "That is the capacity ½ log(1 + λ/σ²); the eigenvalue contains the noise already.": (
                0.5 * np.log1p(ratio)
            ),
            "That is the weight's square, λ - σ²; the rate is ½ log(λ/σ²).": (
                np.maximum(eigenvalues - noise_var, 0)
            ),
            "noise_var is a variance already; you squared it.": (
                0.5 * np.log(np.maximum(eigenvalues / noise_var**2, 1))
            ),
        }
        diagnosis = diagnose(fn(jnp.array(eigenvalues, jnp.float32), noise_var), right, mistakes)
        if diagnosis:
            return diagnosis
    return None


EXAMINERS = {"12.1": examine_information, "12.2": examine_rates}
