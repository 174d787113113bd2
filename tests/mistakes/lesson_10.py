"""Known wrong answers to the exercises of lesson 10: number, answer, part of the diagnosis."""

import jax.numpy as jnp


def rate(codes, std, *, var=None, logs=2, times=None, half=0.5):
    dim = codes.shape[1] if times is None else times
    var = std**2 if var is None else var
    return half * (jnp.sum(codes**2, axis=1) + dim * (var - 1 - logs * jnp.log(std)))


WRONG = [
    ("10.1", lambda c, s: rate(c, s, times=0), "½‖z‖² alone"),
    ("10.1", lambda c, s: rate(c, s, times=1), "latent_dim times"),
    ("10.1", lambda c, s: rate(c, s, logs=1), "log σ² is 2 log σ"),
    ("10.1", lambda c, s: rate(c, s, var=s, logs=1), "variance σ² belongs"),
    ("10.1", lambda c, s: rate(c, s) / c.shape[1], "you averaged"),
    ("10.1", lambda c, s: rate(c, s, half=1), "factor ½"),
    ("10.2", lambda e, r, p: 1 + (p - e).mean() / r.mean(), "other side of 1"),
    ("10.2", lambda e, r, p: (p - e).mean() / r.mean(), "That is 1 - β"),
    ("10.2", lambda e, r, p: 1 - ((p - e) / r).mean(), "mean of their ratios"),
    ("10.2", lambda e, r, p: 1 + (p - e).mean() / (e + r).mean(), "divides by the distortion"),
]
