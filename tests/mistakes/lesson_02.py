"""Known wrong answers to the exercises of lesson 02: number, answer, part of the diagnosis."""

import jax
import jax.numpy as jnp


def error_of(values, subtract=True):
    p = jnp.exp(values - (values.max() if subtract else 0))
    return jnp.std(p) / jnp.sqrt(len(p)) / jnp.mean(p)


def table(model, x, z):
    return model.decode(z).pairwise_log_prob(x)


def shares(model, x, z, axis=0):
    return jax.nn.softmax(table(model, x, z), axis=axis)


def spread(weights, z):
    squares = jnp.square(z[:, None] - (weights.T @ z)[None])
    return jnp.sqrt(jnp.sum(weights[:, :, None] * squares, axis=0))


WRONG = [
    ("02.1", lambda v: error_of(v) * jnp.sqrt(len(v)), "spread of single samples"),
    ("02.1", lambda v: jnp.std(v) / jnp.sqrt(len(v)), "spread of the log values"),
    ("02.1", lambda v: error_of(v) * jnp.mean(jnp.exp(v - v.max())), "divide by p-hat"),
    ("02.1", lambda v: error_of(v, subtract=False), "Subtract the largest before exp"),
    ("02.1", lambda v: jnp.broadcast_to(error_of(v), (3,)), "yours has shape (3,)"),
    ("02.1", lambda v: 0.5, "you return 0.5"),
    ("02.1", lambda v: v.no_such_method(), "stopped with AttributeError"),
    ("02.2", lambda m, x, z: spread(shares(m, x, z), z) ** 2, "take its square root"),
    ("02.2", lambda m, x, z: jnp.sqrt(shares(m, x, z).T @ z**2), "subtract it from z"),
    ("02.2", lambda m, x, z: spread(shares(m, x, z, axis=1), z), "over the images"),
    ("02.2", lambda m, x, z: spread(jnp.exp(table(m, x, z)), z), "divide by its sum"),
    ("02.2", lambda m, x, z: jnp.tile(z.std(0), (len(x), 1)), "plain spread of z"),
    ("02.2", lambda m, x, z: shares(m, x, z), "shape (batch, latent_dim)"),
    ("02.2", lambda m, x, z: jnp.zeros((len(x), z.shape[1])), "largest difference"),
]
