"""Known wrong answers to the exercises of lesson 11: number, answer, part of the diagnosis."""

import jax
import jax.numpy as jnp


def log_normal(x, mean, std, *, constants=None, half=2, sign=1):
    dim = x.shape[1] if constants is None else constants
    squares = jnp.sum((x - mean) ** 2, axis=1)
    return sign * (-squares / (half * std**2) - dim / 2 * jnp.log(2 * jnp.pi * std**2))


def log_mean(log_density):
    return jax.nn.logsumexp(log_density, axis=0) - jnp.log(len(log_density))


WRONG = [
    ("11.1", lambda x, m, s: log_normal(x, m, s, constants=0), "constant is missing"),
    ("11.1", lambda x, m, s: log_normal(x, m, s, constants=1), "d times"),
    ("11.1", lambda x, m, s: log_normal(x, m, s) / x.shape[1], "average over the values"),
    ("11.1", lambda x, m, s: log_normal(x, m, s, half=1), "divide by σ²"),
    ("11.1", lambda x, m, s: log_normal(x, m, s**0.5), "variance σ² belongs"),
    ("11.1", lambda x, m, s: log_normal(x, m, s, sign=-1), "that is the loss"),
    ("11.2", lambda p, k, d: p.mean(axis=0) - d * jnp.log(k), "not the tighter"),
    ("11.2", lambda p, k, d: log_mean(p), "still a density"),
    ("11.2", lambda p, k, d: log_mean(p) - jnp.log(k), "every dimension"),
    ("11.2", lambda p, k, d: log_mean(p) + d * jnp.log(k), "The sign"),
    ("11.2", lambda p, k, d: jax.nn.logsumexp(p, axis=0) - d * jnp.log(k), "number of draws"),
]
