"""Known wrong answers to the exercises of lesson 14: number, answer, part of the diagnosis."""

import jax
import jax.numpy as jnp

from vae_course import standard_normal


def base(u):
    return standard_normal(u.shape[-1]).log_prob(u)


def share(log_w):
    return jax.nn.softmax(log_w, axis=0)


def across(log_w):
    return jax.nn.softmax(log_w, axis=1)


WRONG = [
    ("14.1", lambda u, s: base(u) + s.sum(axis=0), "stretches"),
    ("14.1", lambda u, s: base(u), "change of volume"),
    ("14.1", lambda u, s: base(u) - s.mean(axis=0), "don't average"),
    ("14.1", lambda u, s: base(u) - jnp.exp(s).sum(axis=0), "no exp"),
    ("14.1", lambda u, s: -0.5 * jnp.sum(u**2, axis=1) - s.sum(axis=0), "log 2π"),
    ("14.1", lambda u, s: base(u) - s[-1], "last layer"),
    ("14.2", lambda w: (across(w), across(w) ** 2), "axis 0"),
    ("14.2", lambda w: (share(w), share(w)), "DReG squares"),
    ("14.2", lambda w: (share(w), share(2 * w)), "not normalised again"),
    ("14.2", lambda w: (share(w) ** 2, share(w) ** 2), "only the encoder's"),
    ("14.2", lambda w: (share(w) ** 2, share(w)), "Turned round"),
    ("14.2", lambda w: (jnp.log(share(w)), 2 * jnp.log(share(w))), "logs of the weights"),
    ("14.2", lambda w: share(w), "Return two arrays"),
]
