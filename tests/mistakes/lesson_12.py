"""Known wrong answers to the exercises of lesson 12: number, answer, part of the diagnosis."""

import jax
import jax.numpy as jnp


def information(log_q, *, axis=0, count=None):
    n = len(log_q)
    total = jax.nn.logsumexp(log_q, axis=axis) - jnp.log(n if count is None else count)
    return (jnp.diag(log_q) - total).mean(), jnp.log(n)


def without_own(log_q):
    n = len(log_q)
    others = jnp.where(jnp.eye(n) > 0, -jnp.inf, log_q)
    return (jnp.diag(log_q) - jax.nn.logsumexp(others, axis=0)).mean() + jnp.log(n - 1), jnp.log(n)


def half_log(ratio):
    return 0.5 * jnp.log(jnp.maximum(ratio, 1))


WRONG = [
    ("12.1", lambda q: information(q, axis=1), "axis 0, not 1"),
    ("12.1", lambda q: information(q, count=1), "1/n is missing"),
    ("12.1", lambda q: (jnp.diag(q).mean() - q.mean(), jnp.log(len(q))), "mean of the logs"),
    ("12.1", without_own, "own image belongs"),
    ("12.1", lambda q: information(q)[::-1], "Turned round"),
    ("12.1", lambda q: (information(q)[0], jnp.float32(len(q))), "not n"),
    ("12.1", lambda q: information(q)[0], "Return two numbers"),
    ("12.2", lambda e, v: 0.5 * jnp.log(e / v), "not negative"),
    ("12.2", lambda e, v: 2 * half_log(e / v), "factor ½"),
    ("12.2", lambda e, v: 0.5 * jnp.log1p(e / v), "contains the noise"),
    ("12.2", lambda e, v: jnp.maximum(e - v, 0), "weight's square"),
    ("12.2", lambda e, v: half_log(e / v**2), "you squared it"),
]
