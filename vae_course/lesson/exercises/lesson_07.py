"""Exercises of lesson 07: the best factorised Gaussian, and the best of several searches."""

import numpy as np
from scipy.stats import special_ortho_group

from vae_course.lesson.exercises.exercise import Exercise


def turned(rng, *variances):
    turn = special_ortho_group.rvs(len(variances), random_state=len(variances))
    return (turn @ np.diag(variances) @ turn.T,)


def searches(rng, starts, batch, dim):
    elbos = -100 + 5 * rng.normal(size=(starts, batch))
    elbos[:, 0] = -90 - np.arange(starts)  # the first image and the second
    elbos[:, 1] = -90 + np.arange(starts)  # have different best starts
    return elbos, rng.normal(size=(starts, batch, dim))


def chosen(elbos, means, which):
    return np.stack([means[which(elbos[:, i]), i] for i in range(elbos.shape[1])])


EXERCISES = {
    "07.1": Exercise(  # fn(covariance (d, d)) -> variances (d,) of the diagonal q of least KL(q||p)
        inputs=turned,
        sizes=[(0.1, 2.0), (0.05, 0.3, 1.0), (0.2, 0.4, 0.6, 0.8, 3.0)],
        right=lambda c: 1 / np.diag(np.linalg.inv(c)),
        returns="one variance per latent, (d,)",
        mistakes={
            "These are the posterior's own variances: the best under KL(posterior || q). The ELBO "
            "asks for KL(q || posterior), which calls for a narrower q.": np.diag,
            "The diagonal of the precision: invert it once more.": (
                lambda c: np.diag(np.linalg.inv(c))
            ),
            "These are standard deviations: return variances.": (
                lambda c: np.diag(np.linalg.inv(c)) ** -0.5
            ),
            "1 / diag of the covariance: invert the matrix first.": lambda c: 1 / np.diag(c),
        },
    ),
    "07.2": Exercise(  # fn(elbos (starts, batch), means (starts, batch, d)) -> the best (batch, d)
        inputs=searches,
        sizes=[(3, 4, 2), (2, 7, 5), (5, 6, 1)],
        right=lambda elbos, means: chosen(elbos, means, np.argmax),
        returns="one row per image, (batch, d)",
        mistakes={
            "You took the start that is best on average for all images: each has its own.": (
                lambda elbos, means: means[elbos.mean(axis=1).argmax()]
            ),
            "That is each image's worst search: the ELBO should be large.": (
                lambda elbos, means: chosen(elbos, means, np.argmin)
            ),
            "That is the average over the starts: between two hills lies a valley.": (
                lambda elbos, means: means.mean(axis=0)
            ),
        },
    ),
}
