"""Known wrong answers to the exercises of lesson 06: number, answer, part of the diagnosis."""

import jax.numpy as jnp


def gradient(z, f, mean, std, baseline=None, power=2, reduce=jnp.mean):
    others = (f.sum() - f) / (len(f) - 1) if baseline is None else baseline(f)
    return reduce((f - others) * (z - mean) / std**power)


WRONG = [
    ("06.1", lambda m, s, e: m + s * e, "log variance itself"),
    ("06.1", lambda m, s, e: m + jnp.exp(s) * e, "its square root"),
    ("06.1", lambda m, s, e: m + jnp.exp(2 * s) * e, "square it once more"),
    ("06.1", lambda m, s, e: jnp.exp(0.5 * s) * e, "mean is missing"),
    ("06.1", lambda m, s, e: m, "noise is missing"),
    ("06.2", lambda *a: gradient(*a, baseline=lambda f: 0.0), "baseline is missing"),
    ("06.2", lambda *a: gradient(*a, baseline=jnp.mean), "leave each one out"),
    ("06.2", lambda *a: gradient(*a, power=1), "divide by the variance"),
    ("06.2", lambda *a: gradient(*a, power=0), "do not divide at all"),
    ("06.2", lambda *a: gradient(*a, reduce=jnp.sum), "sum over the samples"),
    ("06.2", lambda *a: -gradient(*a), "turned round"),
]
