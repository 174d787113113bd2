"""Examiners of lesson 03: the price of an estimate, and how many samples a posterior asks for."""

import jax.numpy as jnp
import numpy as np
from scipy.special import log_softmax
from scipy.stats import multivariate_normal

from vae_course.exercises.diagnosis import diagnose


def examine_price(fn) -> str | None:
    """fn(log_probs (num_samples, batch)) -> KL(r || uniform), (batch,)."""
    for seed, (size, batch, scale) in enumerate([(6, 3, 1.0), (50, 4, 3.0), (200, 2, 80.0)]):
        log_probs = -130 + scale * np.random.default_rng(seed).normal(size=(size, batch))
        answer = np.asarray(fn(jnp.array(log_probs, jnp.float32)))
        diagnosis = _diagnose_price(answer, log_probs)
        if diagnosis:
            return diagnosis
    return None


def _diagnose_price(answer, log_probs):
    size = len(log_probs)
    log_r = log_softmax(log_probs, axis=0)
    entropy = -np.sum(np.exp(log_r) * log_r, axis=0)
    right = np.log(size) - entropy
    if answer.shape == right.shape and not np.isfinite(answer).all():
        return (
            "You return nan: where r is 0, log r is -inf, and 0 * inf is nan. Take log r from "
            "jax.nn.log_softmax, which stays finite."
        )
    mistakes = {
        "That is the entropy of r; the KL to equal weights is ln N minus it.": entropy,
        "Each weight is compared with 1; equal weights are 1/N, so add ln N.": -entropy,
        "That is the KL in the other order, from equal weights to r.": (
            -np.log(size) - log_r.mean(axis=0)
        ),
        "The sign is turned round: this KL is never negative.": -right,
        "You average over the samples with equal weights: weigh each term by its r.": (
            (log_r + np.log(size)).mean(axis=0)
        ),
    }
    return diagnose(answer, right, mistakes)


def examine_decades(fn) -> str | None:
    """fn(mean (d,), covariance (d, d)) -> log10 of exp(KL(N(mean, covariance) || N(0, I)))."""
    for seed, dim in enumerate([1, 2, 5, 30]):
        rng = np.random.default_rng(seed)
        mean, root = rng.normal(size=dim), rng.normal(size=(dim, dim))
        covariance = 0.02 * np.eye(dim) + 0.05 * root @ root.T
        answer = np.asarray(fn(jnp.array(mean, jnp.float32), jnp.array(covariance, jnp.float32)))
        right, mistakes = _decades(mean, covariance)
        diagnosis = diagnose(answer, right, mistakes)
        if diagnosis:
            return diagnosis
    return None


def _decades(mean, covariance):
    """The right answer, from the entropy that SciPy knows; and known mistakes."""
    dim = len(mean)
    entropy = multivariate_normal(mean, covariance).entropy()
    log_det = 2 * entropy - dim * (1 + np.log(2 * np.pi))
    second_moments = np.trace(covariance) + mean @ mean
    nats = 0.5 * (second_moments + dim * np.log(2 * np.pi)) - entropy
    inverse = np.linalg.inv(covariance)
    reverse = 0.5 * (np.trace(inverse) + mean @ inverse @ mean - dim + log_det)
    independent = 0.5 * (second_moments - dim - np.log(np.diag(covariance)).sum())
    with np.errstate(over="ignore"):
        number = np.exp(nats)
    answers = {
        "That is the KL in nats; the decades are fewer by a factor of ln 10.": nats,
        "That is the number itself; return its logarithm to base ten.": number,
        "The sign of ln det is turned round: a narrow posterior costs more.": (
            (nats + log_det) / np.log(10)
        ),
        "The -D is missing: a posterior equal to the prior must cost nothing.": (
            (nats + 0.5 * dim) / np.log(10)
        ),
        "The mean is missing: a posterior far from 0 costs more.": (
            (nats - 0.5 * mean @ mean) / np.log(10)
        ),
        "That is the KL in the other order, from the prior to the posterior.": (
            reverse / np.log(10)
        ),
        "You take the diagonal for the determinant: latents are correlated here.": (
            independent / np.log(10)
        ),
    }
    return nats / np.log(10), answers


EXAMINERS = {"03.1": examine_price, "03.2": examine_decades}
