"""Examiners of lesson 09: the two gaps from weights, and two standard errors."""

import jax.numpy as jnp
import numpy as np
from scipy.special import logsumexp
from scipy.stats import sem

from vae_course.exercises.diagnosis import diagnose


def examine_gaps(fn) -> str | None:
    """fn(log_p (batch,), log_w of the best q, of the encoder's (num_samples, batch)) -> 2 gaps."""
    for seed, (num_samples, batch) in enumerate([(5, 3), (20, 6), (2, 4)]):
        rng = np.random.default_rng(seed)
        log_p = -100 + 10 * rng.normal(size=batch)
        best = log_p - 1 + rng.normal(size=(num_samples, batch))
        encoder = log_p - 4 + 2 * rng.normal(size=(num_samples, batch))
        high, low = np.average(best, axis=0), np.average(encoder, axis=0)
        right = np.stack([log_p - high, high - low])
        tight, loose = (logsumexp(w, axis=0) - np.log(num_samples) for w in (best, encoder))
        mistakes = {
            "Turned round: the first is the family's, the second the network's.": right[::-1],
            "The second is the whole gap; the amortisation gap starts at the best q's ELBO.": (
                np.stack([log_p - high, log_p - low])
            ),
            "You took the log of the mean weight, which is L_k; the ELBO is the mean log.": (
                np.stack([log_p - tight, tight - loose])
            ),
            "The signs are turned round: a bound lies below what it bounds.": -right,
        }
        gaps = fn(*(jnp.array(a, jnp.float32) for a in (log_p, best, encoder)))
        if not isinstance(gaps, tuple) or len(gaps) != 2:
            return "Return two arrays: the approximation gap, then the amortisation gap."
        diagnosis = diagnose(np.stack(gaps), right, mistakes)
        if diagnosis:
            return diagnosis
    return None


def examine_standard_errors(fn) -> str | None:
    """fn(estimates (num_keys, batch)) -> standard error over keys, over images."""
    for seed, (num_keys, batch) in enumerate([(4, 9), (10, 3), (3, 50)]):
        rng = np.random.default_rng(seed)
        estimates = -100 + 5 * rng.normal(size=batch) + rng.normal(size=(num_keys, 1))
        estimates = estimates + 0.5 * rng.normal(size=(num_keys, batch))
        over_keys, over_images = sem(estimates.mean(1)), sem(estimates.mean(0))
        right = np.array([over_keys, over_images])
        mistakes = {
            "Turned round: keys first, then images.": right[::-1],
            "You pool all numbers as if they were independent; one image's are not.": np.full(
                2, sem(estimates, axis=None)
            ),
            "These are standard deviations: divide by the root of how many there are.": (
                right * np.sqrt([num_keys, batch])
            ),
            "Divide by n - 1 inside the variance (ddof=1).": (
                right * np.sqrt([1 - 1 / num_keys, 1 - 1 / batch])
            ),
        }
        answer = fn(jnp.array(estimates, jnp.float32))
        if not isinstance(answer, tuple) or len(answer) != 2:
            return "Return two numbers: over keys, then over images."
        diagnosis = diagnose(np.stack(answer), right, mistakes)
        if diagnosis:
            return diagnosis
    return None


EXAMINERS = {"09.1": examine_gaps, "09.2": examine_standard_errors}
