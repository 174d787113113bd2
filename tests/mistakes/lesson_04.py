"""Known wrong answers to the exercises of lesson 04: number, answer, part of the diagnosis."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp


def average(log_values):
    return logsumexp(log_values, axis=0) - np.log(len(log_values))


def moments(z, log_weights, centre=None, weigh=jax.nn.softmax, weigh_square=True):
    weights = weigh(log_weights)
    mean = weights @ z
    centred = z - (mean if centre is None else centre(z))[None]
    square = (weights if weigh_square else jnp.full(len(z), 1 / len(z)))[:, None] * centred
    return mean, square.T @ centred


WRONG = [
    ("04.1", lambda x, p, q: average(x), "another model's p(x)"),
    ("04.1", lambda x, p, q: average(x - p + q), "upside down"),
    ("04.1", lambda x, p, q: average(x - q), "prior is missing"),
    ("04.1", lambda x, p, q: average(x + p), "do not divide by q"),
    ("04.1", lambda x, p, q: logsumexp(x + p - q, axis=0), "log of the sum"),
    ("04.1", lambda x, p, q: (x + p - q).mean(axis=0), "log of the average"),
    ("04.1", lambda x, p, q: jnp.log(jnp.exp(x + p - q).mean(axis=0)), "exp of them is 0"),
    ("04.2", lambda z, w: moments(z, w, weigh=lambda w: w / w.sum()), "before you normalise"),
    ("04.2", lambda z, w: moments(z, 0 * w), "plain mean"),
    ("04.2", lambda z, w: moments(z, w, weigh=jnp.exp), "sum of the weights"),
    ("04.2", lambda z, w: moments(z, w, weigh=lambda w: jnp.exp(w) / jnp.exp(w).sum()), "finite"),
    (
        "04.2",
        lambda z, w: moments(z, w, centre=lambda z: jnp.zeros(z.shape[1])),
        "Subtract the weighted mean",
    ),
    ("04.2", lambda z, w: moments(z, w, centre=lambda z: z.mean(axis=0)), "not the plain one"),
    ("04.2", lambda z, w: (moments(z, w)[0], moments(z, 0 * w)[1]), "covariance is not weighted"),
    ("04.2", lambda z, w: moments(z, w)[0], "Return a pair"),
]
