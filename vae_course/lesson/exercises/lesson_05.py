"""Exercises of lesson 05: a rung of the ladder of bounds, and the rate of a Gaussian q."""

import numpy as np
from scipy.special import logsumexp
from scipy.stats import norm

from vae_course.lesson.exercises.exercise import Exercise, log_mean


def rungs(log_weights, k):
    """L_k of each group of k, (num_groups, batch)."""
    groups = log_weights.reshape(-1, k, log_weights.shape[1])
    return log_mean(groups, axis=1)


def rate(mean, log_var):
    """E_q[-log p] - H(q), with the entropy from SciPy: another road than the usual formula."""
    cross = 0.5 * (mean**2 + np.exp(log_var) + np.log(2 * np.pi))
    return np.sum(cross - norm(mean, np.exp(0.5 * log_var)).entropy(), axis=-1)


def formula(mean, log_var, variance=np.exp, one=1, log=1):
    """½ Σ (variance + mean² - one - log · log_var)."""
    return 0.5 * np.sum(variance(log_var) + mean**2 - one - log * log_var, axis=-1)


EXERCISES = {
    "05.1": Exercise(  # fn(log_weights (num_samples, batch), k) -> estimate of L_k, (batch,)
        inputs=lambda rng, n, batch, k, low: (low + 2 * rng.normal(size=(n, batch)), k),
        sizes=[(12, 3, 3, 0.0), (60, 2, 5, -200.0), (8, 4, 8, 0.0)],
        right=lambda v, k: rungs(v, k).mean(axis=0),
        returns="one number per image, (batch,)",
        not_finite="exp of log weights near -200 is 0 in float32: average within a group with "
        "jax.nn.logsumexp.",
        mistakes={
            "That is the ELBO, the average of log w: average within a group before the log.": (
                lambda v, k: v.mean(axis=0)
            ),
            "That is one estimate from all samples, L_N: cut them into groups of k.": (
                lambda v, k: log_mean(v)
            ),
            "Within a group that is the log of the sum; the average is lower by log k.": (
                lambda v, k: rungs(v, k).mean(axis=0) + np.log(k)
            ),
            "That keeps the largest weight of a group only.": (
                lambda v, k: v.reshape(-1, k, v.shape[1]).max(axis=1).mean(axis=0)
            ),
            "Average the groups' logs; you take the log of their average once more.": (
                lambda v, k: logsumexp(rungs(v, k), axis=0)
            ),
        },
    ),
    "05.2": Exercise(  # fn(mean, log_var), each (batch, latent_dim) -> KL(q || N(0, I)), (batch,)
        inputs=lambda rng, *shape: (rng.normal(size=shape), rng.normal(size=shape) - 1),
        sizes=[(3, 2), (1, 7), (5, 1)],
        right=rate,
        returns="one number per image, (batch,)",
        mistakes={
            "That is the mean over the latents; nats are summed over them.": (
                lambda mean, log_var: rate(mean, log_var) / mean.shape[1]
            ),
            "The sign is flipped: a KL is never negative.": lambda m, s: -rate(m, s),
            "The factor 1/2 is missing.": lambda m, s: 2 * rate(m, s),
            "log_var is the log of the variance; you use it as the log of the standard "
            "deviation.": lambda m, s: rate(m, 2 * s),
            "You use the standard deviation where the variance belongs.": (
                lambda m, s: formula(m, s, variance=lambda s: np.exp(0.5 * s))
            ),
            "The -1 is missing: q equal to the prior must have rate 0.": (
                lambda m, s: formula(m, s, one=0)
            ),
            "That is the KL in the other order, from the prior to q.": (
                lambda m, s: 0.5 * np.sum((1 + m**2) / np.exp(s) - 1 + s, axis=-1)
            ),
        },
    ),
}
