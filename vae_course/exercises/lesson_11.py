"""Examiners of lesson 11: a squared error's likelihood, and a probability from densities."""

import jax.numpy as jnp
import numpy as np
from scipy import stats
from scipy.special import logsumexp

from vae_course.exercises.diagnosis import diagnose


def examine_gaussian(fn) -> str | None:
    """fn(x (batch, d), mean (batch, d), std) -> log N(x; mean, std^2 I), (batch,)."""
    for seed, (batch, dim, std) in enumerate([(3, 5, 0.3), (6, 2, 2.5), (4, 30, 0.8)]):
        rng = np.random.default_rng(seed)
        x, mean = rng.normal(size=(2, batch, dim))
        right = stats.norm.logpdf(x, mean, std).sum(axis=1)
        squares = np.square(x - mean).sum(axis=1)
        constant = dim / 2 * np.log(2 * np.pi * std**2)
        mistakes = {
            "The constant is missing: without it this is an error, not a log density.": (
                right + constant
            ),
            "The constant belongs to every one of the d values: count it d times.": (
                right + constant * (1 - 1 / dim)
            ),
            "You average over the values; a log density sums over them.": right / dim,
            "Divide the squares by 2σ²; you divide by σ².": right - squares / (2 * std**2),
            "You use σ where the variance σ² belongs.": (
                stats.norm.logpdf(x, mean, std**0.5).sum(axis=1)
            ),
            "The sign is turned round: that is the loss.": -right,
        }
        answer = fn(jnp.array(x, jnp.float32), jnp.array(mean, jnp.float32), std)
        diagnosis = diagnose(answer, right, mistakes)
        if diagnosis:
            return diagnosis
    return None


def examine_log_probability(fn) -> str | None:
    """fn(log densities (num_draws, batch), num_levels, dim) -> (batch,)."""
    for seed, (num_draws, batch, num_levels, dim) in enumerate([(8, 3, 17, 4), (20, 5, 256, 2)]):
        rng = np.random.default_rng(seed)
        log_density = dim + 2 * rng.normal(size=(num_draws, batch))
        peak = logsumexp(log_density, axis=0) - np.log(num_draws)
        cells = dim * np.log(num_levels)
        right = peak - cells
        mistakes = {
            "A bound, but not the tighter one: average the densities, then take the log.": (
                log_density.mean(axis=0) - cells
            ),
            "That is still a density: subtract the log of the cells, dim * log(num_levels).": peak,
            "The cell's volume counts once for every dimension.": peak - np.log(num_levels),
            "The sign: a cell is smaller than 1, so its log is subtracted.": peak + cells,
            "Divide by the number of draws: the log of the mean, not of the sum.": (
                right + np.log(num_draws)
            ),
        }
        answer = fn(jnp.array(log_density, jnp.float32), num_levels, dim)
        diagnosis = diagnose(answer, right, mistakes)
        if diagnosis:
            return diagnosis
    return None


EXAMINERS = {"11.1": examine_gaussian, "11.2": examine_log_probability}
