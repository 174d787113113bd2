"""Exercises of lesson 03: the price of an estimate, and how many samples a posterior asks for."""

import numpy as np
from scipy.special import log_softmax
from scipy.stats import entropy, multivariate_normal

from vae_course.lesson.exercises.exercise import Exercise


def log_r(log_probs):
    return log_softmax(log_probs, axis=0)


def price(log_probs):
    return np.log(len(log_probs)) - entropy(np.exp(log_r(log_probs)), axis=0)


def gaussian(rng, dim):
    root = rng.normal(size=(dim, dim))
    return rng.normal(size=dim), 0.02 * np.eye(dim) + 0.05 * root @ root.T


def decades(mean, covariance):
    """KL to N(0, I), from the entropy that SciPy knows, over ln 10."""
    squares = np.trace(covariance) + mean @ mean + len(mean) * np.log(2 * np.pi)
    nats = 0.5 * squares - multivariate_normal(mean, covariance).entropy()
    return nats / np.log(10)


def log_det(covariance):
    return np.linalg.slogdet(covariance)[1] / np.log(10)


def reverse(mean, covariance):
    inverse = np.linalg.inv(covariance)
    squares = np.trace(inverse) + mean @ inverse @ mean - len(mean)
    return 0.5 * (squares / np.log(10) + log_det(covariance))


EXERCISES = {
    "03.1": Exercise(  # fn(log_probs (num_samples, batch)) -> KL(r || uniform), (batch,)
        inputs=lambda rng, n, batch, scale: (-130 + scale * rng.normal(size=(n, batch)),),
        sizes=[(6, 3, 1.0), (50, 4, 3.0), (200, 2, 80.0)],
        right=price,
        returns="one number per image, (batch,)",
        not_finite="You return nan: where r is 0, log r is -inf, and 0 * inf is nan. Take log r "
        "from jax.nn.log_softmax, which stays finite.",
        mistakes={
            "That is the entropy of r; the KL to equal weights is ln N minus it.": (
                lambda v: np.log(len(v)) - price(v)
            ),
            "Each weight is compared with 1; equal weights are 1/N, so add ln N.": (
                lambda v: price(v) - np.log(len(v))
            ),
            "That is the KL in the other order, from equal weights to r.": (
                lambda v: -np.log(len(v)) - log_r(v).mean(axis=0)
            ),
            "The sign is flipped: this KL is never negative.": lambda v: -price(v),
            "You average over the samples with equal weights: weigh each term by its r.": (
                lambda v: np.log(len(v)) + log_r(v).mean(axis=0)
            ),
        },
    ),
    "03.2": Exercise(  # fn(mean (d,), covariance (d, d)) -> log10 of exp(KL(N || N(0, I)))
        inputs=gaussian,
        sizes=[(1,), (2,), (5,), (30,)],
        right=decades,
        mistakes={
            "That is the KL in nats; the decades are fewer by a factor of ln 10.": (
                lambda m, c: decades(m, c) * np.log(10)
            ),
            "That is the number itself; return its logarithm to base ten.": (
                lambda m, c: 10 ** decades(m, c)
            ),
            "The sign of ln det is flipped: a narrow posterior costs more.": (
                lambda m, c: decades(m, c) + log_det(c)
            ),
            "The -D is missing: a posterior equal to the prior must cost nothing.": (
                lambda m, c: decades(m, c) + 0.5 * len(m) / np.log(10)
            ),
            "The mean is missing: a posterior far from 0 costs more.": (
                lambda m, c: decades(0 * m, c)
            ),
            "That is the KL in the other order, from the prior to the posterior.": reverse,
            "You take the diagonal for the determinant: latents are correlated here.": (
                lambda m, c: decades(m, c) + 0.5 * (log_det(c) - log_det(np.diag(np.diag(c))))
            ),
        },
    ),
}
