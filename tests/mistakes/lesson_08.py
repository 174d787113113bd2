"""Known wrong answers to the exercises of lesson 08: number, answer, part of the diagnosis."""

import jax
import jax.numpy as jnp


def elbo(x, mean, log_var, noise, decode, *, sign=-1, over=jnp.sum, rate_over=jnp.sum, scale=0.5):
    logits = decode(mean + jnp.exp(scale * log_var) * noise)
    log_p = over(x * logits - jax.nn.softplus(logits), axis=-1)
    rate = 0.5 * rate_over(jnp.exp(log_var) + mean**2 - 1 - log_var, axis=-1)
    return log_p + sign * rate


def rates(mean, log_var, *, axis=0, reduce=jnp.mean, half=0.5, exp=jnp.exp):
    return half * reduce(exp(log_var) + mean**2 - 1 - log_var, axis=axis)


WRONG = [
    ("08.1", lambda *a: elbo(*a, over=jnp.mean), "mean over pixels"),
    ("08.1", lambda *a: elbo(*a, rate_over=jnp.mean), "averaged over latents"),
    ("08.1", lambda *a: elbo(*a, sign=0), "rate is missing"),
    ("08.1", lambda *a: elbo(*a, sign=1), "You add the rate"),
    ("08.1", lambda *a: -elbo(*a), "turn the sign round"),
    ("08.1", lambda x, m, s, e, d: elbo(x, m, s, 0 * e, d), "noise is missing"),
    ("08.1", lambda *a: elbo(*a, scale=1), "its square root"),
    ("08.2", lambda m, s: rates(m, s, reduce=jnp.sum), "average them"),
    ("08.2", lambda m, s: rates(m, s, axis=1), "one number for each image"),
    ("08.2", lambda m, s: rates(m, s, half=1.0), "1/2 is missing"),
    ("08.2", lambda m, s: -rates(m, s), "turned round"),
    ("08.2", lambda m, s: rates(m, s, exp=lambda v: v), "exponentiate it"),
]
