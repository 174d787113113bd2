"""Exercises of lesson 09: the two gaps from weights, and two standard errors."""

import numpy as np
from scipy.stats import sem

from vae_course.lesson.exercises.exercise import Exercise, log_mean


def weights(rng, num_samples, batch):
    log_p, shape = -100 + 10 * rng.normal(size=batch), (num_samples, batch)
    return log_p, log_p - 1 + rng.normal(size=shape), log_p - 4 + 2 * rng.normal(size=shape)


def gaps(log_p, best, encoder, average=np.average):
    high, low = average(best, axis=0), average(encoder, axis=0)
    return log_p - high, high - low


def estimates(rng, num_keys, batch):
    images, keys = -100 + 5 * rng.normal(size=batch), rng.normal(size=(num_keys, 1))
    return (images + keys + 0.5 * rng.normal(size=(num_keys, batch)),)


def errors(values, ddof=1):
    return sem(values.mean(axis=1), ddof=ddof), sem(values.mean(axis=0), ddof=ddof)


EXERCISES = {
    "09.1": Exercise(  # fn(log_p (batch,), log_w of the best q and of the encoder's) -> 2 gaps
        inputs=weights,
        sizes=[(5, 3), (20, 6), (2, 4)],
        right=gaps,
        returns="two arrays, the approximation gap, then the amortisation gap",
        mistakes={
            "Swapped: the first is the family's, the second the network's.": (
                lambda *a: gaps(*a)[::-1]
            ),
            "The second is the whole gap; the amortisation gap starts at the best q's ELBO.": (
                lambda *a: (gaps(*a)[0], sum(gaps(*a)))
            ),
            "You took the log of the mean weight, which is L_k; the ELBO is the mean log.": (
                lambda *a: gaps(*a, average=log_mean)
            ),
            "The signs are flipped: a bound lies below what it bounds.": (
                lambda *a: tuple(-gap for gap in gaps(*a))
            ),
        },
    ),
    "09.2": Exercise(  # fn(estimates (num_keys, batch)) -> standard error over keys, over images
        inputs=estimates,
        sizes=[(4, 9), (10, 3), (3, 50)],
        right=errors,
        returns="two numbers, over keys, then over images",
        mistakes={
            "Swapped: keys first, then images.": lambda v: errors(v)[::-1],
            "You pool all numbers as if they were independent; one image's are not.": (
                lambda v: (sem(v, axis=None),) * 2
            ),
            "These are standard deviations: divide by the root of how many there are.": (
                lambda v: tuple(np.array(errors(v)) * np.sqrt(v.shape))
            ),
            "Divide by n - 1 inside the variance (ddof=1).": lambda v: errors(v, ddof=0),
        },
    ),
}
