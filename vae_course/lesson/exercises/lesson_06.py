"""Exercises of lesson 06: a sample made of noise, and the score function by hand."""

import numpy as np
from scipy.stats import norm

from vae_course.lesson.exercises.exercise import Exercise


def slope(z, mean, std):
    """d log q / d mean."""
    return (z - mean) / std**2


def leave_one_out(z, f, mean, std):
    """A covariance over n - 1: leaving one out is what makes it unbiased."""
    return np.cov(f, slope(z, mean, std))[0, 1]


def samples_and_values(rng, n, mean, std):
    z = mean + std * rng.normal(size=n)
    return z, 5 + np.sin(z), mean, std


EXERCISES = {
    "06.1": Exercise(  # fn(mean, log_var, noise), each (batch, latent_dim) -> z
        inputs=lambda rng, *shape: (
            rng.normal(size=shape),
            rng.normal(size=shape),
            rng.normal(size=shape),
        ),
        sizes=[(3, 2), (1, 5), (6, 1)],
        right=lambda m, s, e: norm(m, np.exp(0.5 * s)).ppf(norm.cdf(e)),
        returns="one sample per image, (batch, latent_dim)",
        mistakes={
            "You scale by the log variance itself: exponentiate it.": lambda m, s, e: m + s * e,
            "You scale by the variance: its square root is the standard deviation.": (
                lambda m, s, e: m + np.exp(s) * e
            ),
            "exp(log_var) is a variance, not a standard deviation; you square it once more.": (
                lambda m, s, e: m + np.exp(2 * s) * e
            ),
            "The mean is missing.": lambda m, s, e: np.exp(0.5 * s) * e,
            "The noise is missing: that is the mean.": lambda m, s, e: m,
        },
    ),
    "06.2": Exercise(  # fn(z, f, each (num_samples,), mean, std) -> leave-one-out score gradient
        inputs=samples_and_values,
        sizes=[(2, 0.3, 0.6), (7, -1.0, 2.0), (40, 0.0, 1.5)],
        right=leave_one_out,
        mistakes={
            "The baseline is missing: right on average, but much noisier.": (
                lambda z, f, mean, std: np.mean(f * slope(z, mean, std))
            ),
            "You compare with the average of all samples: leave each one out of its own.": (
                lambda z, f, mean, std: np.mean((f - f.mean()) * slope(z, mean, std))
            ),
            "The slope of log q is (z - mean) / std²: divide by the variance.": (
                lambda z, f, mean, std: leave_one_out(z, f, mean, std) * std
            ),
            "The slope of log q is (z - mean) / std²: you do not divide at all.": (
                lambda z, f, mean, std: leave_one_out(z, f, mean, std) * std**2
            ),
            "That is the sum over the samples; return their average.": (
                lambda z, f, mean, std: leave_one_out(z, f, mean, std) * len(z)
            ),
            "The sign is flipped: a good sample should become more probable.": (
                lambda *arguments: -leave_one_out(*arguments)
            ),
        },
    ),
}
