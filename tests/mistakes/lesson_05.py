"""Known wrong answers to the exercises of lesson 05: number, answer, part of the diagnosis."""

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp


def average(log_values):
    return logsumexp(log_values, axis=0) - np.log(len(log_values))


def rung(v, k, last=lambda v: v.mean(axis=0), inner=lambda g: average(g)):
    return last(jnp.stack([inner(group) for group in v.reshape(-1, k, v.shape[1])]))


def rate(m, s, one=1, var=jnp.exp, log_var=lambda s: s, reduce=jnp.sum):
    return 0.5 * reduce(var(s) + m**2 - one - log_var(s), axis=-1)


WRONG = [
    ("05.1", lambda v, k: v.mean(axis=0), "That is the ELBO"),
    ("05.1", lambda v, k: average(v), "groups of k"),
    ("05.1", lambda v, k: rung(v, k) + jnp.log(k), "log of the sum"),
    ("05.1", lambda v, k: rung(v, k, inner=lambda g: g.max(axis=0)), "largest weight"),
    ("05.1", lambda v, k: rung(v, k, last=lambda v: logsumexp(v, axis=0)), "Average the groups"),
    ("05.1", lambda v, k: rung(v, k, inner=lambda g: jnp.log(jnp.exp(g).mean(0))), "exp of them"),
    ("05.2", lambda m, s: rate(m, s, reduce=jnp.mean), "summed over them"),
    ("05.2", lambda m, s: -rate(m, s), "never negative"),
    ("05.2", lambda m, s: 2 * rate(m, s), "1/2 is missing"),
    ("05.2", lambda m, s: rate(m, 2 * s), "log of the standard deviation"),
    ("05.2", lambda m, s: rate(m, s, var=lambda s: jnp.exp(s / 2)), "variance belongs"),
    ("05.2", lambda m, s: rate(m, s, one=0), "must have rate 0"),
    ("05.2", lambda m, s: rate(-m * jnp.exp(-s / 2), -s), "other order"),
    ("05.2", lambda m, s: rate(m, s).mean(), "single number"),
]
