"""Exercises of lesson 11: a squared error's likelihood, and a probability from densities."""

import numpy as np
from scipy.special import logsumexp
from scipy.stats import norm

from vae_course.lesson.exercises.exercise import Exercise


def log_density(x, mean, std):
    return norm(mean, std).logpdf(x).sum(axis=1)


def constant(x, std):
    """Of all d values."""
    return x.shape[1] / 2 * np.log(2 * np.pi * std**2)


def log_mean(values):
    return logsumexp(values, axis=0) - np.log(len(values))


EXERCISES = {
    "11.1": Exercise(  # fn(x (batch, d), mean (batch, d), std) -> log N(x; mean, std^2 I), (batch,)
        inputs=lambda rng, batch, d, std: (*rng.normal(size=(2, batch, d)), std),
        sizes=[(3, 5, 0.3), (6, 2, 2.5), (4, 30, 0.8)],
        right=log_density,
        returns="one number per image, (batch,)",
        mistakes={
            "The constant is missing: without it this is an error, not a log density.": (
                lambda x, mean, std: log_density(x, mean, std) + constant(x, std)
            ),
            "The constant belongs to every one of the d values: count it d times.": (
                lambda x, mean, std: (
                    log_density(x, mean, std) + constant(x, std) - constant(x[:, :1], std)
                )
            ),
            "You average over the values; a log density sums over them.": (
                lambda x, mean, std: log_density(x, mean, std) / x.shape[1]
            ),
            "Divide the squares by 2σ²; you divide by σ².": (
                lambda x, mean, std: 2 * log_density(x, mean, std) + constant(x, std)
            ),
            "You use σ where the variance σ² belongs.": (
                lambda x, mean, std: log_density(x, mean, std**0.5)
            ),
            "The sign is flipped: that is the loss.": (
                lambda x, mean, std: -log_density(x, mean, std)
            ),
        },
    ),
    "11.2": Exercise(  # fn(log densities (num_draws, batch), num_levels, dim) -> (batch,)
        inputs=lambda rng, draws, batch, num_levels, dim: (
            dim + 2 * rng.normal(size=(draws, batch)),
            num_levels,
            dim,
        ),
        sizes=[(8, 3, 17, 4), (20, 5, 256, 2)],
        right=lambda v, num_levels, dim: log_mean(v) - dim * np.log(num_levels),
        returns="one number per image, (batch,)",
        mistakes={
            "A bound, but not the tighter one: average the densities, then take the log.": (
                lambda v, num_levels, dim: v.mean(axis=0) - dim * np.log(num_levels)
            ),
            "That is still a density: subtract the log of the cells, dim * log(num_levels).": (
                lambda v, num_levels, dim: log_mean(v)
            ),
            "The cell's volume counts once for every dimension.": (
                lambda v, num_levels, dim: log_mean(v) - np.log(num_levels)
            ),
            "The sign: a cell is smaller than 1, so its log is subtracted.": (
                lambda v, num_levels, dim: log_mean(v) + dim * np.log(num_levels)
            ),
            "Divide by the number of draws: the log of the mean, not of the sum.": (
                lambda v, num_levels, dim: logsumexp(v, axis=0) - dim * np.log(num_levels)
            ),
        },
    ),
}
