"""Examiners of lesson 07: the best factorised Gaussian, and what it loses."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from scipy.stats import multivariate_normal, special_ortho_group

from vae_course.exercises.diagnosis import diagnose


def examine_variances(fn) -> str | None:
    """fn(covariance (d, d)) -> variances (d,) of the factorised Gaussian of least KL(q || p)."""

    def cases(covariance):
        precision = np.linalg.inv(covariance)
        return 1 / np.diag(precision), {
            "These are the posterior's own variances: the best under KL(posterior || q). The ELBO "
            "asks for KL(q || posterior), and wants a narrower q.": np.diag(covariance),
            "The diagonal of the precision: invert it once more.": np.diag(precision),
            "These are standard deviations: return variances.": np.diag(precision) ** -0.5,
            "1 / diag of the covariance: invert the matrix first.": 1 / np.diag(covariance),
        }

    return _examine(fn, cases)


def examine_price(fn) -> str | None:
    """fn(covariance (d, d)) -> min over factorised Gaussians of KL(q || N(0, covariance))."""

    def cases(covariance):
        precision = np.linalg.inv(covariance)
        best = np.diag(1 / np.diag(precision))  # the KL as a difference of two expectations
        entropy = multivariate_normal(np.zeros(len(best)), best).entropy()
        log_det = np.linalg.slogdet(covariance)[1]
        dim = len(best)
        cross = 0.5 * (np.trace(precision @ best) + log_det + dim * np.log(2 * np.pi))
        right = cross - entropy
        own = 0.5 * (np.log(np.diag(covariance)).sum() - log_det)
        return right, {
            "The factor 1/2 is missing.": 2 * right,
            "The sign is turned round: a KL is never below 0.": -right,
            "log det of the covariance is minus that of the precision.": right - log_det,
            "That is KL(posterior || q) for the q of the posterior's own variances.": own,
        }

    return _examine(fn, cases)


def _examine(fn, cases: Callable) -> str | None:
    for seed, variances in enumerate([(0.1, 2.0), (0.05, 0.3, 1.0), (0.2, 0.4, 0.6, 0.8, 3.0)]):
        turn = special_ortho_group.rvs(len(variances), random_state=seed)
        covariance = turn @ np.diag(variances) @ turn.T
        right, mistakes = cases(covariance)
        diagnosis = diagnose(fn(jnp.array(covariance, jnp.float32)), right, mistakes)
        if diagnosis:
            return diagnosis
    return None


EXAMINERS = {"07.1": examine_variances, "07.2": examine_price}
