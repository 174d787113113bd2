"""Examiners of lesson 05: a rung of the ladder of bounds, and the rate of a Gaussian q."""

import jax.numpy as jnp
import numpy as np
from scipy.special import logsumexp
from scipy.stats import norm

from vae_course.exercises.diagnosis import diagnose


def examine_bound(fn) -> str | None:
    """fn(log_weights (num_samples, batch), k) -> estimate of L_k, (batch,)."""
    for seed, (size, batch, k, low) in enumerate(
        [(12, 3, 3, 0.0), (60, 2, 5, -200.0), (8, 4, 8, 0)]
    ):
        log_weights = low + 2 * np.random.default_rng(seed).normal(size=(size, batch))
        answer = np.asarray(fn(jnp.array(log_weights, jnp.float32), k))
        groups = log_weights.reshape(-1, k, batch)
        rungs = logsumexp(groups, axis=1) - np.log(k)
        right = rungs.mean(axis=0)
        if answer.shape == right.shape and not np.isfinite(answer).all():
            return (
                f"For log weights near {low:.0f} you return {answer[0]}: exp of them is 0 in "
                "float32. Average within a group with jax.nn.logsumexp."
            )
        mistakes = {
            "That is the ELBO, the average of log w: average within a group before the log.": (
                log_weights.mean(axis=0)
            ),
            "That is one estimate from all samples, L_N: cut them into groups of k.": (
                logsumexp(log_weights, axis=0) - np.log(size)
            ),
            "Within a group that is the log of the sum; the average is lower by log k.": (
                right + np.log(k)
            ),
            "That keeps the largest weight of a group only.": groups.max(axis=1).mean(axis=0),
            "Average the groups' logs; you take the log of their average once more.": (
                logsumexp(rungs, axis=0)
            ),
        }
        diagnosis = diagnose(answer, right, mistakes)
        if diagnosis:
            return diagnosis
    return None


def examine_rate(fn) -> str | None:
    """fn(mean, log_var), each (batch, latent_dim) -> KL(q || N(0, I)), (batch,)."""
    for seed, (batch, dim) in enumerate([(3, 2), (1, 7), (5, 1)]):
        rng = np.random.default_rng(seed)
        mean, log_var = rng.normal(size=(batch, dim)), rng.normal(size=(batch, dim)) - 1
        answer = np.asarray(fn(jnp.array(mean, jnp.float32), jnp.array(log_var, jnp.float32)))
        diagnosis = _diagnose_rate(answer, mean, log_var)
        if diagnosis:
            return diagnosis
    return None


def _diagnose_rate(answer, mean, log_var):
    variance, std = np.exp(log_var), np.exp(0.5 * log_var)
    # E_q[-log p] - H(q), with the entropy from SciPy: another road than the usual formula.
    cross = 0.5 * (mean**2 + variance + np.log(2 * np.pi))
    each = cross - norm(mean, std).entropy()
    reverse = 0.5 * ((1 + mean**2) / variance - 1 + log_var)
    right = each.sum(axis=-1)
    mistakes = {
        "That is the mean over the latents; nats are summed over them.": each.mean(axis=-1),
        "The sign is turned round: a KL is never negative.": -right,
        "The factor 1/2 is missing.": 2 * right,
        "log_var is the log of the variance; you use it as the log of the standard deviation.": (
            0.5 * np.sum(variance**2 + mean**2 - 1 - 2 * log_var, axis=-1)
        ),
        "You use the standard deviation where the variance belongs.": (
            0.5 * np.sum(std + mean**2 - 1 - log_var, axis=-1)
        ),
        "The -1 is missing: q equal to the prior must have rate 0.": (
            0.5 * np.sum(variance + mean**2 - log_var, axis=-1)
        ),
        "That is the KL in the other order, from the prior to q.": reverse.sum(axis=-1),
    }
    if answer.shape == ():
        return "Return one number for each image, shape (batch,); yours is a single number."
    return diagnose(answer, right, mistakes)


EXAMINERS = {"05.1": examine_bound, "05.2": examine_rate}
