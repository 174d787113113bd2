"""Known wrong answers to the exercises of lesson 07: number, answer, part of the diagnosis."""

import jax.numpy as jnp

WRONG = [
    ("07.1", jnp.diag, "narrower q"),
    ("07.1", lambda c: jnp.diag(jnp.linalg.inv(c)), "invert it once more"),
    ("07.1", lambda c: jnp.diag(jnp.linalg.inv(c)) ** -0.5, "return variances"),
    ("07.1", lambda c: 1 / jnp.diag(c), "invert the matrix first"),
    ("07.2", lambda e, m: m[e.mean(axis=1).argmax()], "each has its own"),
    ("07.2", lambda e, m: m[e.argmin(axis=0), jnp.arange(e.shape[1])], "worst search"),
    ("07.2", lambda e, m: m.mean(axis=0), "lies a valley"),
]
