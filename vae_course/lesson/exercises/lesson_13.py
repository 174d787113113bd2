"""Exercises of lesson 13: the weight of annealed chains, and the bracket around log p(x)."""

import numpy as np
from scipy.special import logsumexp

from vae_course.lesson.exercises.exercise import Exercise, log_mean


def chains(rng, steps, num_chains):
    ladder = np.append(0, np.cumsum(rng.dirichlet(np.ones(steps))))
    return -10 * rng.gamma(4, size=(steps, num_chains)), ladder


EXERCISES = {
    "13.1": Exercise(  # fn(log p(x | z_t) (T, chains), ladder (T + 1,)) -> (chains,)
        inputs=chains,
        sizes=[(5, 7), (12, 4), (1, 3)],
        right=lambda p, b: np.diff(b) @ p,
        returns="one number per chain, (chains,)",
        mistakes={
            "Each step counts by the difference b_t - b_(t-1), not by b_t itself.": (
                lambda p, b: b[1:] @ p
            ),
            "Each step counts by the difference b_t - b_(t-1), not by b_(t-1).": (
                lambda p, b: b[:-1] @ p
            ),
            "The factors multiply, so their logs add up: a sum over steps, not a mean.": (
                lambda p, b: np.diff(b) @ p / len(p)
            ),
            "Without the ladder every step counts fully; b_t - b_(t-1) is missing.": (
                lambda p, b: p.sum(axis=0)
            ),
            "The sign: upwards the weight is p(x | z) to the power b_t - b_(t-1).": (
                lambda p, b: -np.diff(b) @ p
            ),
        },
    ),
    "13.2": Exercise(  # fn(log weights up, log weights down), each (chains, batch) -> lower, upper
        inputs=lambda rng, *shape: (rng.normal(-90, 2, size=shape), rng.normal(88, 2, size=shape)),
        sizes=[(6, 3), (20, 2), (3, 5)],
        right=lambda up, down: (log_mean(up), -log_mean(down)),
        returns="two arrays, the lower side, then the upper",
        mistakes={
            "The mean weight downwards estimates 1/p(x): take minus the log for the upper side.": (
                lambda up, down: (log_mean(up), log_mean(down))
            ),
            "Averaging 1/weight downwards gives p(x), not 1/p(x): negate after the mean.": (
                lambda up, down: (log_mean(up), log_mean(-down))
            ),
            "You took the mean of the logs; the exercise asks for the log of the mean.": (
                lambda up, down: (up.mean(axis=0), -down.mean(axis=0))
            ),
            "The mean over chains, not the sum: the number of chains is missing.": (
                lambda up, down: (logsumexp(up, axis=0), -logsumexp(down, axis=0))
            ),
            "Swapped: the lower side first, then the upper.": (
                lambda up, down: (-log_mean(down), log_mean(up))
            ),
        },
    ),
}
