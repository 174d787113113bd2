"""Known wrong answers to the exercises of lesson 01: number, answer, part of the diagnosis."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp


def gaussian(x, mean, std, constant=True, scale=True, power=2):
    value = -0.5 * (x - mean) ** 2 / std**power
    return value - scale * np.log(std) - constant * 0.5 * np.log(2 * np.pi)


def components(x, means, std, **choices):
    return gaussian(x[None], means[:, None], std, **choices)


def mixture(x, means, std, **choices):
    return logsumexp(components(x, means, std, **choices), axis=0) - np.log(len(means))


def draws(z=jax.random.normal, noise=True, same_key=False, signal=True):
    """A function that tells the story wrongly, in one of several ways."""

    def generate(model, key, num_samples):
        z_key, x_key = jax.random.split(key)
        drawn = signal * z(z_key, (num_samples, model.latent_dim))
        p = model.decode(drawn)
        if not noise:
            return p.mean
        key = jax.random.clone(z_key) if same_key else x_key
        return p.sample(key)

    return generate


WRONG = [
    ("01.1", lambda x, m, s: logsumexp(components(x, m, s), axis=0), "log of the sum"),
    ("01.1", lambda x, m, s: components(x, m, s).mean(axis=0), "average of the logs"),
    (
        "01.1",
        lambda x, m, s: jnp.log(jnp.exp(components(x, m, s)).mean(axis=0)),
        "every density underflows",
    ),
    ("01.1", lambda x, m, s: mixture(x, m, s, constant=False), "-log(2π)/2 is missing"),
    ("01.1", lambda x, m, s: mixture(x, m, s, scale=False), "-log(std) is missing"),
    ("01.2", draws(noise=False), "without its noise"),
    ("01.2", draws(signal=False), "do not depend on z"),
    ("01.2", draws(z=jax.random.uniform), "z look uniform"),
    ("01.2", draws(same_key=True), "are the same numbers"),
    ("01.2", lambda m, key, n: draws()(m, key, n) + 1.0, "mean of your x"),
    ("01.2", lambda m, key, n: draws()(m, key, n)[None], "one row for each sample"),
]
