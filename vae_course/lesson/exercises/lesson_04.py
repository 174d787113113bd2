"""Exercises of lesson 04: an importance-sampling estimate, and moments of weighted samples."""

import numpy as np
from scipy.special import logsumexp, softmax

from vae_course.lesson.exercises.exercise import Exercise, log_mean


def log_terms(rng, size, batch, low):
    log_likelihood, log_prior, log_q = rng.normal(size=(3, size, batch))
    return log_likelihood + low, log_prior - 0.7, log_q


def moments(z, weights, mean=None, of_square=None):
    """Weighted mean and covariance, by NumPy's own; around another mean or with other weights."""
    own = weights @ z
    centred = z - (own if mean is None else mean)
    return own, centred.T @ np.diag(weights if of_square is None else of_square) @ centred


EXERCISES = {
    "04.1": Exercise(  # fn(log_likelihood, log_prior, log_q), (num_samples, batch) -> log p-hat
        inputs=log_terms,
        sizes=[(5, 3, 0.0), (40, 2, -3.0), (60, 4, -300.0)],
        right=lambda x, p, q: log_mean(x + p - q),
        returns="one number per image, (batch,)",
        not_finite="exp of log values near -300 is 0 in float32. Average with jax.nn.logsumexp.",
        mistakes={
            "The weights p(z)/q(z) are missing: that estimates another model's p(x).": (
                lambda x, p, q: log_mean(x)
            ),
            "The weight is upside down: it is p(z)/q(z).": lambda x, p, q: log_mean(x - p + q),
            "The prior is missing from the weight.": lambda x, p, q: log_mean(x - q),
            "You do not divide by q(z).": lambda x, p, q: log_mean(x + p),
            "That is the log of the sum; the average is lower by log N.": (
                lambda x, p, q: logsumexp(x + p - q, axis=0)
            ),
            "That is the average of log w (lesson 05 will want it); the exercise asks for the log "
            "of the average.": lambda x, p, q: (x + p - q).mean(axis=0),
        },
    ),
    "04.2": Exercise(  # fn(z (num_samples, d), log_weights (num_samples,)) -> mean, covariance
        inputs=lambda rng, n, d, low: (1 + rng.normal(size=(n, d)), low + rng.normal(size=n)),
        sizes=[(8, 2, 0.0), (50, 3, -200.0), (200, 1, 150.0)],
        right=lambda z, w: (
            np.average(z, axis=0, weights=softmax(w)),
            np.cov(z.T, aweights=softmax(w), bias=True).reshape(z.shape[1], -1),
        ),
        returns="a pair, the mean (d,) and the covariance (d, d)",
        not_finite="exp of log weights near -200 or 150 under- or overflows. jax.nn.softmax does "
        "not.",
        mistakes={
            "That is the plain mean: weigh each sample by its share of the weights.": (
                lambda z, w: moments(z, np.full(len(z), 1 / len(z)))
            ),
            "Exponentiate the log weights before you normalise them.": (
                lambda z, w: moments(z, w / w.sum())
            ),
            "Divide by the sum of the weights.": lambda z, w: moments(z, np.exp(w)),
            "Subtract the weighted mean before you multiply.": (
                lambda z, w: moments(z, softmax(w), mean=0)
            ),
            "Centre with the weighted mean, not the plain one.": (
                lambda z, w: moments(z, softmax(w), mean=z.mean(axis=0))
            ),
            "The covariance is not weighted.": lambda z, w: (
                softmax(w) @ z,
                np.cov(z.T, bias=True).reshape(z.shape[1], -1),
            ),
        },
    ),
}
