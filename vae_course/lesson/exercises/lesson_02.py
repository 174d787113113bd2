"""Exercises of lesson 02: the error of an estimate, and the hidden encoder."""

import jax.numpy as jnp
import numpy as np
from scipy.special import softmax

from vae_course.lesson.exercises.exercise import Exercise
from vae_course.linear import LinearGaussian


def relative(log_probs):
    """p over its largest value."""
    return np.exp(log_probs - log_probs.max())


def standard_error(values):
    return values.std(ddof=1) / np.sqrt(len(values))


def model_and_samples(rng, batch, num_samples, latent_dim):
    arrays = (jnp.array(a, jnp.float32) for a in (rng.normal(size=(5, latent_dim)), np.zeros(5)))
    x, z = 1.5 * rng.normal(size=(batch, 5)), rng.normal(size=(num_samples, latent_dim))
    return LinearGaussian(*arrays, jnp.float32(2.0)), x, z


def log_table(model, x, z):
    """log p(x | z) from the definition, (num_samples, batch)."""
    mean, noise_var = z @ np.asarray(model.weights, np.float64).T, float(model.noise_var)
    squares = np.square(x[None] - mean[:, None]).sum(axis=-1)
    return -0.5 * (squares / noise_var + x.shape[-1] * np.log(2 * np.pi * noise_var))


def shares(model, x, z, axis=0):
    return softmax(log_table(model, x, z), axis=axis)


def variance(weights, z):
    mean = weights.T @ z
    return np.einsum("sb,sbk->bk", weights, np.square(z[:, None] - mean[None]))


EXERCISES = {
    "02.1": Exercise(  # fn(log_probs (num_samples,)) -> standard error of log p-hat, in nats
        inputs=lambda rng, n, offset: (offset + rng.normal(size=n),),
        sizes=[(10, 0.0), (300, -3.0), (1000, -130.0), (64, -900.0)],
        right=lambda v: standard_error(relative(v)) / relative(v).mean(),
        returns="one number for one image",
        not_finite="exp of log values below -100 is 0 in float32. Subtract the largest before exp; "
        "it cancels in the ratio.",
        rtol=lambda v: 0.002 + 1 / len(v),  # either convention will do, division by N or N - 1
        atol=0,
        mistakes={
            "That is the spread of single samples: an average of N is √N times steadier.": (
                lambda v: relative(v).std(ddof=1) / relative(v).mean()
            ),
            "That looks like the spread of the log values; the average is taken of p, not of "
            "log p.": standard_error,
            "That is the error of p-hat, up to a factor; the log's is relative: divide by "
            "p-hat.": lambda v: standard_error(relative(v)),
        },
    ),
    "02.2": Exercise(  # fn(model, x (batch, d), z (num_samples, k)) -> std of z given x, (batch, k)
        inputs=model_and_samples,
        sizes=[(4, 50, 2), (7, 300, 3), (3, 6, 1)],
        right=lambda *a: np.sqrt(variance(shares(*a), a[2])),
        returns="one number for each image and latent, shape (batch, latent_dim)",
        mistakes={
            "That is the variance: take its square root.": lambda *a: variance(shares(*a), a[2]),
            "You left out the mean: subtract it from z before squaring.": (
                lambda *a: np.sqrt(shares(*a).T @ a[2] ** 2)
            ),
            "The softmax runs over the images: shares must sum to 1 over the samples, axis 0.": (
                lambda *a: np.sqrt(variance(shares(*a, axis=1), a[2]))
            ),
            "You weigh by p(x | z) itself: divide by its sum over the samples (softmax does).": (
                lambda *a: np.sqrt(variance(np.exp(log_table(*a)), a[2]))
            ),
            "That is the plain spread of z, the same for every image: weigh each z by its "
            "share.": lambda model, x, z: np.tile(z.std(axis=0), (len(x), 1)),
        },
    ),
}
