"""Known wrong answers to the exercises of lesson 03: number, answer, part of the diagnosis."""

import jax
import jax.numpy as jnp


def price(v, order=1):
    log_r = jax.nn.log_softmax(v, axis=0)
    weights = jnp.exp(log_r) if order == 1 else 1 / len(v)
    return order * jnp.sum(weights * (log_r + jnp.log(len(v))), axis=0)


def naive_price(v):
    r = jax.nn.softmax(v, axis=0)
    return jnp.sum(r * jnp.log(len(v) * r), axis=0)


def decades(m, c, dim=1, mean=1, log_det=1, diagonal=False):
    log_determinant = jnp.linalg.slogdet(jnp.diag(jnp.diag(c)) if diagonal else c)[1]
    nats = jnp.trace(c) + mean * m @ m - dim * len(m) - log_det * log_determinant
    return 0.5 * nats / jnp.log(10)


def reverse_decades(m, c):
    inverse = jnp.linalg.inv(c)
    nats = jnp.trace(inverse) + m @ inverse @ m - len(m) + jnp.linalg.slogdet(c)[1]
    return 0.5 * nats / jnp.log(10)


WRONG = [
    ("03.1", naive_price, "You return nan"),
    ("03.1", lambda v: jnp.log(len(v)) - price(v), "entropy of r"),
    ("03.1", lambda v: price(v) - jnp.log(len(v)), "equal weights are 1/N"),
    ("03.1", lambda v: price(v, order=-1), "other order"),
    ("03.1", lambda v: -price(v), "never negative"),
    ("03.1", lambda v: -price(v, order=-1), "weigh each term by its r"),
    ("03.1", lambda v: price(v).mean(), "yours has shape ()"),
    ("03.2", lambda m, c: decades(m, c) * jnp.log(10), "KL in nats"),
    ("03.2", lambda m, c: 10 ** decades(m, c), "number itself"),
    ("03.2", lambda m, c: decades(m, c, log_det=-1), "a narrow posterior costs more"),
    ("03.2", lambda m, c: decades(m, c, dim=0), "must cost nothing"),
    ("03.2", lambda m, c: decades(m, c, mean=0), "far from 0"),
    ("03.2", reverse_decades, "other order"),
    ("03.2", lambda m, c: decades(m, c, diagonal=True), "correlated"),
]
