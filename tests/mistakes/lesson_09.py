"""Known wrong answers to the exercises of lesson 09: number, answer, part of the diagnosis."""

import jax
import jax.numpy as jnp


def gaps(log_p, best, encoder, reduce=jnp.mean):
    high, low = (reduce(w, axis=0) for w in (best, encoder))
    return log_p - high, high - low


def log_mean(log_w, axis):
    return jax.nn.logsumexp(log_w, axis=axis) - jnp.log(log_w.shape[axis])


def errors(estimates, *, ddof=1, power=0.5):
    means = estimates.mean(axis=1), estimates.mean(axis=0)
    return tuple(m.std(ddof=ddof) / len(m) ** power for m in means)


def pooled(estimates):
    return (estimates.std(ddof=1) / estimates.size**0.5,) * 2


WRONG = [
    ("09.1", lambda *a: gaps(*a)[::-1], "first is the family's"),
    ("09.1", lambda p, b, e: (p - b.mean(0), p - e.mean(0)), "whole gap"),
    ("09.1", lambda *a: gaps(*a, reduce=log_mean), "which is L_k"),
    ("09.1", lambda *a: tuple(-g for g in gaps(*a)), "signs are turned round"),
    ("09.1", lambda p, b, e: p - b.mean(0), "Return two arrays"),
    ("09.2", lambda x: errors(x)[::-1], "keys first"),
    ("09.2", pooled, "as if they were independent"),
    ("09.2", lambda x: errors(x, power=0), "standard deviations"),
    ("09.2", lambda x: errors(x, ddof=0), "ddof=1"),
    ("09.2", lambda x: errors(x)[0], "Return two numbers"),
]
