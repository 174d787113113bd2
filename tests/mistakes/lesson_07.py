"""Known wrong answers to the exercises of lesson 07: number, answer, part of the diagnosis."""

import jax.numpy as jnp


def price(covariance, half=0.5, sign=1):
    precision = jnp.linalg.inv(covariance)
    log_det = sign * jnp.linalg.slogdet(precision)[1]
    return half * (jnp.sum(jnp.log(jnp.diag(precision))) - log_det)


def own_variances(covariance):
    log_det = jnp.linalg.slogdet(covariance)[1]
    return 0.5 * (jnp.sum(jnp.log(jnp.diag(covariance))) - log_det)


WRONG = [
    ("07.1", jnp.diag, "narrower q"),
    ("07.1", lambda c: jnp.diag(jnp.linalg.inv(c)), "invert it once more"),
    ("07.1", lambda c: jnp.diag(jnp.linalg.inv(c)) ** -0.5, "return variances"),
    ("07.1", lambda c: 1 / jnp.diag(c), "invert the matrix first"),
    ("07.2", lambda c: price(c, half=1.0), "1/2 is missing"),
    ("07.2", lambda c: -price(c), "turned round"),
    ("07.2", lambda c: price(c, sign=-1), "minus that of the precision"),
    ("07.2", own_variances, "the posterior's own variances"),
]
