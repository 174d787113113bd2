"""Known wrong answers to the exercises of lesson 13: number, answer, part of the diagnosis."""

import jax.numpy as jnp

from vae_course import log_mean_exp


def total(log_weights):
    return log_mean_exp(log_weights) + jnp.log(len(log_weights))


WRONG = [
    ("13.1", lambda p, b: b[1:] @ p, "not by b_t itself"),
    ("13.1", lambda p, b: b[:-1] @ p, "not by b_(t-1)."),
    ("13.1", lambda p, b: jnp.mean(jnp.diff(b)[:, None] * p, axis=0), "not a mean"),
    ("13.1", lambda p, b: p.sum(axis=0), "Without the ladder"),
    ("13.1", lambda p, b: (jnp.diff(b) @ p).sum(), "has shape"),
    ("13.1", lambda p, b: -jnp.diff(b) @ p, "The sign"),
    ("13.2", lambda u, d: (log_mean_exp(u), log_mean_exp(d)), "minus the log"),
    ("13.2", lambda u, d: (log_mean_exp(u), log_mean_exp(-d)), "negate after the mean"),
    ("13.2", lambda u, d: (u.mean(axis=0), -d.mean(axis=0)), "mean of the logs"),
    ("13.2", lambda u, d: (total(u), -total(d)), "number of chains"),
    ("13.2", lambda u, d: (-log_mean_exp(d), log_mean_exp(u)), "Turned round"),
    ("13.2", lambda u, d: log_mean_exp(u), "Return two arrays"),
]
