"""Known wrong answers to the exercises of lesson 00: number, answer, part of the diagnosis."""

import jax.numpy as jnp
import numpy as np


def gaussian(x, mean, std, constant=True, scale=True, power=2):
    value = -0.5 * (x - mean) ** 2 / std**power
    return value - scale * np.log(std) - constant * 0.5 * np.log(2 * np.pi)


WRONG = [
    ("00.1", lambda v, p: v.mean(), "weigh each value by its probability"),
    ("00.1", lambda v, p: (v * p).mean(), "Do not divide"),
    ("00.2", lambda p: jnp.log(jnp.prod(jnp.array(p))), "underflows"),
    ("00.2", lambda p: np.log10(p).sum(), "log base 10"),
    ("00.2", lambda p: np.log(p).mean(), "average of the logs"),
    ("00.2", lambda p: np.prod(p), "probability itself"),
    ("00.3", lambda x, m, s: gaussian(x, m, s, constant=False), "integrate to 1"),
    ("00.3", lambda x, m, s: gaussian(x, m, s, scale=False), "-log(std) is missing"),
    ("00.3", lambda x, m, s: gaussian(x, m, s, power=1), "the variance, belongs"),
    ("00.3", lambda x, m, s: np.exp(gaussian(x, m, s)), "density itself"),
    ("00.3", lambda x, m, s: gaussian(x, m, s).sum(), "has shape (5,)"),
    ("00.4", lambda w, x, y: 2 * (w * x - y), "inner derivative"),
    ("00.4", lambda w, x, y: (w * x - y) * x, "The 2 is missing"),
    ("00.4", lambda w, x, y: 2 * (w * x - y) * w, "with respect to x"),
    ("00.4", lambda w, x, y: 2 * (y - w * x) * x, "turned round"),
]
