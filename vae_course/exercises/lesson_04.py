"""Examiners of lesson 04: an importance-sampling estimate, and moments of weighted samples."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import logsumexp, softmax

from vae_course.exercises.diagnosis import diagnose


def examine_estimate(fn) -> str | None:
    """fn(log_likelihood, log_prior, log_q), each (num_samples, batch) -> log p-hat, (batch,)."""
    for seed, (size, batch, low) in enumerate([(5, 3, 0.0), (40, 2, -3.0), (60, 4, -300.0)]):
        rng = np.random.default_rng(seed)
        log_likelihood, log_prior, log_q = rng.normal(size=(3, size, batch))
        log_likelihood, log_prior = log_likelihood + low, log_prior - 0.7
        terms = (jnp.array(a, jnp.float32) for a in (log_likelihood, log_prior, log_q))
        answer = np.asarray(fn(*terms))
        diagnosis = _diagnose_estimate(answer, log_likelihood, log_prior, log_q)
        if diagnosis:
            return diagnosis
    return None


def _diagnose_estimate(answer, log_likelihood, log_prior, log_q):
    def average(log_values):
        return logsumexp(log_values, axis=0) - np.log(len(log_values))

    log_w = log_likelihood + log_prior - log_q
    right = average(log_w)
    if answer.shape == right.shape and not np.isfinite(answer).all():
        return (
            f"For log values near {log_w.mean():.0f} you return {answer[0]}: exp of them is 0 in "
            "float32. Average with jax.nn.logsumexp."
        )
    mistakes = {
        "The weights p(z)/q(z) are missing: that estimates another model's p(x).": (
            average(log_likelihood)
        ),
        "The weight is upside down: it is p(z)/q(z).": average(log_likelihood - log_prior + log_q),
        "The prior is missing from the weight.": average(log_likelihood - log_q),
        "You do not divide by q(z).": average(log_likelihood + log_prior),
        "That is the log of the sum; the average is lower by log N.": logsumexp(log_w, axis=0),
        "That is the average of log w (lesson 05 will want it); asked is the log of the average.": (
            log_w.mean(axis=0)
        ),
    }
    return diagnose(answer, right, mistakes)


def examine_moments(fn) -> str | None:
    """fn(z (num_samples, d), log_weights (num_samples,)) -> mean (d,), covariance (d, d)."""
    for seed, (size, dim, low) in enumerate([(8, 2, 0.0), (50, 3, -200.0), (200, 1, 150.0)]):
        rng = np.random.default_rng(seed)
        z, log_weights = 1 + rng.normal(size=(size, dim)), low + rng.normal(size=size)
        answer = fn(jnp.array(z, jnp.float32), jnp.array(log_weights, jnp.float32))
        if not isinstance(answer, tuple) or [np.shape(a) for a in answer] != [(dim,), (dim, dim)]:
            shapes = [np.shape(a) for a in jax.tree.leaves(answer)]
            return f"Return a pair of shapes {(dim,)} and {(dim, dim)}; yours has {shapes}."
        diagnosis = _diagnose_moments(*(np.asarray(a) for a in answer), z, log_weights)
        if diagnosis:
            return diagnosis
    return None


def _diagnose_moments(mean, covariance, z, log_weights):
    weights = softmax(log_weights)
    right_mean = weights @ z
    right_covariance = np.cov(z.T, aweights=weights, bias=True).reshape(covariance.shape)
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        return (
            f"Your moments are not finite for log weights near {log_weights.mean():.0f}: exp of "
            "them over- or underflows. jax.nn.softmax does not."
        )
    mean_mistakes = {
        "That is the plain mean: weigh each sample by its share of the weights.": z.mean(axis=0),
        "Exponentiate the log weights before you normalise them.": (
            log_weights / log_weights.sum() @ z
        ),
        "Divide by the sum of the weights.": np.exp(log_weights) @ z,
    }
    covariance_mistakes = {
        "Subtract the weighted mean before you multiply.": (weights[:, None] * z).T @ z,
        "Centre with the weighted mean, not the plain one.": (
            (weights[:, None] * (z - z.mean(axis=0))).T @ (z - z.mean(axis=0))
        ),
        "The covariance is not weighted.": np.cov(z.T, bias=True).reshape(covariance.shape),
    }
    return diagnose(mean, right_mean, mean_mistakes) or diagnose(
        covariance, right_covariance, covariance_mistakes
    )


EXAMINERS = {"04.1": examine_estimate, "04.2": examine_moments}
