"""Examiners of lesson 07: the best factorised Gaussian, and the best of several searches."""

import jax.numpy as jnp
import numpy as np
from scipy.stats import special_ortho_group

from vae_course.exercises.diagnosis import diagnose


def examine_variances(fn) -> str | None:
    """fn(covariance (d, d)) -> variances (d,) of the factorised Gaussian of least KL(q || p)."""
    for seed, variances in enumerate([(0.1, 2.0), (0.05, 0.3, 1.0), (0.2, 0.4, 0.6, 0.8, 3.0)]):
        turn = special_ortho_group.rvs(len(variances), random_state=seed)
        covariance = turn @ np.diag(variances) @ turn.T
        precisions = np.diag(turn @ np.diag(1 / np.array(variances)) @ turn.T)
        mistakes = {
            "These are the posterior's own variances: the best under KL(posterior || q). The ELBO "
            "asks for KL(q || posterior), and wants a narrower q.": np.diag(covariance),
            "The diagonal of the precision: invert it once more.": precisions,
            "These are standard deviations: return variances.": precisions**-0.5,
            "1 / diag of the covariance: invert the matrix first.": 1 / np.diag(covariance),
        }
        answer = fn(jnp.array(covariance, jnp.float32))
        diagnosis = diagnose(answer, 1 / precisions, mistakes)
        if diagnosis:
            return diagnosis
    return None


def examine_searches(fn) -> str | None:
    """fn(elbos (starts, batch), means (starts, batch, d)) -> the best start's means (batch, d)."""
    for seed, (starts, batch, dim) in enumerate([(3, 4, 2), (2, 7, 5), (5, 6, 1)]):
        rng = np.random.default_rng(seed)
        elbos = -100 + 5 * rng.normal(size=(starts, batch))
        means = rng.normal(size=(starts, batch, dim))
        elbos[:, 0] = -90 - np.arange(starts)  # the first image and the second
        elbos[:, 1] = -90 + np.arange(starts)  # have different best starts
        right = np.stack([means[elbos[:, i].argmax(), i] for i in range(batch)])
        mistakes = {
            "You took the start that is best on average for all images: each has its own.": means[
                elbos.mean(axis=1).argmax()
            ],
            "That is each image's worst search: the ELBO is to be large.": np.stack(
                [means[elbos[:, i].argmin(), i] for i in range(batch)]
            ),
            "That is the average over the starts: between two hills lies a valley.": means.mean(0),
        }
        answer = fn(jnp.array(elbos, jnp.float32), jnp.array(means, jnp.float32))
        diagnosis = diagnose(answer, right, mistakes)
        if diagnosis:
            return diagnosis
    return None


EXAMINERS = {"07.1": examine_variances, "07.2": examine_searches}
