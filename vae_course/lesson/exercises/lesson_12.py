"""Exercises of lesson 12: mutual information and its ceiling, and a linear VAE's rates."""

import numpy as np
from scipy.special import logsumexp

from vae_course.lesson.exercises.exercise import Exercise


def information(log_q, axis=0):
    n = len(log_q)
    total = logsumexp(log_q, axis=axis)
    return (np.diag(log_q) - total).mean() + np.log(n), np.log(n)


def without_own(log_q):
    n = len(log_q)
    others = logsumexp(np.where(np.eye(n) > 0, -np.inf, log_q), axis=0) - np.log(n - 1)
    return (np.diag(log_q) - others).mean(), np.log(n)


def eigenvalues(rng, dim):
    values = np.sort(rng.gamma(2, size=dim))[::-1]
    return values, float(np.median(values)) * 1.1


def half_log(ratio):
    return 0.5 * np.log(np.maximum(ratio, 1))


EXERCISES = {
    "12.1": Exercise(  # fn(log q(z_i | x_j) at [j, i]) -> estimate, ceiling
        inputs=lambda rng, n: (rng.normal(size=(n, n)) + 2 * np.eye(n),),
        sizes=[(4,), (25,), (9,)],
        right=information,
        returns="two numbers, the estimate, then the ceiling",
        mistakes={
            "For each draw (column) average over the images (rows): axis 0, not 1.": (
                lambda q: information(q, axis=1)
            ),
            "The mean over images, not the sum: 1/n is missing inside the log.": (
                lambda q: (information(q)[0] - np.log(len(q)), np.log(len(q)))
            ),
            "You took the mean of the logs; the exercise asks for the log of the mean of q.": (
                lambda q: (np.diag(q).mean() - q.mean(), np.log(len(q)))
            ),
            "Keep the image's own term in the mean; without it there is no ceiling.": without_own,
            "Swapped: the estimate first, then the ceiling.": lambda q: information(q)[::-1],
            "The ceiling is the log of n, not n.": lambda q: (information(q)[0], len(q)),
        },
    ),
    "12.2": Exercise(  # fn(eigenvalues (d,), noise_var) -> rate of each latent, (d,)
        inputs=eigenvalues,
        sizes=[(5,), (8,), (3,)],
        right=lambda e, v: half_log(e / v),
        returns="one rate per latent, (d,)",
        mistakes={
            "A latent below the noise is off: its rate is 0, not negative.": (
                lambda e, v: 0.5 * np.log(e / v)
            ),
            "The factor ½ is missing: these are variances.": lambda e, v: 2 * half_log(e / v),
            "That is the capacity ½ log(1 + λ/σ²); the eigenvalue contains the noise already.": (
                lambda e, v: 0.5 * np.log1p(e / v)
            ),
            "That is the weight's square, λ - σ²; the rate is ½ log(λ/σ²).": (
                lambda e, v: np.maximum(e - v, 0)
            ),
            "noise_var is a variance already; you squared it.": lambda e, v: half_log(e / v**2),
        },
    ),
}
