"""Exercises of lesson 11: a squared error's likelihood, and a probability from densities."""

import numpy as np
from scipy.special import logsumexp
from scipy.stats import norm

from vae_course.lesson.exercises.exercise import Exercise, log_mean


def log_p(x, mean, std):
    return norm(mean, std).logpdf(x).sum(axis=1)


def constant(x, std):
    """Of all d values."""
    return x.shape[1] / 2 * np.log(2 * np.pi * std**2)


EXERCISES = {
    "11.1": Exercise(  # fn(x (batch, d), mean (batch, d), std) -> log N(x; mean, std^2 I), (batch,)
        inputs=lambda rng, batch, d, std: (*rng.normal(size=(2, batch, d)), std),
        sizes=[(3, 5, 0.3), (6, 2, 2.5), (4, 30, 0.8)],
        right=log_p,
        returns="one number per image, (batch,)",
        mistakes={
            "The constant is missing: without it this is an error, not a log density.": (
                lambda x, m, s: log_p(x, m, s) + constant(x, s)
            ),
            "The constant belongs to every one of the d values: count it d times.": (
                lambda x, m, s: log_p(x, m, s) + constant(x, s) * (1 - 1 / x.shape[1])
            ),
            "You average over the values; a log density sums over them.": (
                lambda x, m, s: log_p(x, m, s) / x.shape[1]
            ),
            "Divide the squares by 2σ²; you divide by σ².": (
                lambda x, m, s: 2 * log_p(x, m, s) + constant(x, s)
            ),
            "You use σ where the variance σ² belongs.": lambda x, m, s: log_p(x, m, s**0.5),
            "The sign is flipped: that is the loss.": lambda x, m, s: -log_p(x, m, s),
        },
    ),
    "11.2": Exercise(  # fn(log densities (num_draws, batch), num_levels, dim) -> (batch,)
        inputs=lambda rng, n, batch, k, dim: (dim + 2 * rng.normal(size=(n, batch)), k, dim),
        sizes=[(8, 3, 17, 4), (20, 5, 256, 2)],
        right=lambda v, k, dim: log_mean(v) - dim * np.log(k),
        returns="one number per image, (batch,)",
        mistakes={
            "A bound, but not the tighter one: average the densities, then take the log.": (
                lambda v, k, dim: v.mean(axis=0) - dim * np.log(k)
            ),
            "That is still a density: subtract the log of the cells, dim * log(num_levels).": (
                lambda v, k, dim: log_mean(v)
            ),
            "The cell's volume counts once for every dimension.": (
                lambda v, k, dim: log_mean(v) - np.log(k)
            ),
            "The sign: a cell is smaller than 1, so its log is subtracted.": (
                lambda v, k, dim: log_mean(v) + dim * np.log(k)
            ),
            "Divide by the number of draws: the log of the mean, not of the sum.": (
                lambda v, k, dim: logsumexp(v, axis=0) - dim * np.log(k)
            ),
        },
    ),
}
