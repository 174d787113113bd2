"""Exercises of lesson 01: the density of a mixture, and drawing from a model."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import logsumexp
from scipy.stats import norm

from vae_course.lesson.exercises.exercise import Exercise, log_mean
from vae_course.linear import LinearGaussian

NUM_SAMPLES, NOISE_VAR = 20_000, 0.8


def parts(x, means, std):
    """log density of x under each component, (k, batch)."""
    return norm(means[:, None], std).logpdf(x)


def mixture(x, means, std):
    return log_mean(parts(x, means, std))


def model_and_key(rng, data_dim, latent_dim):
    """Each pixel's signal has variance 1."""
    weights = rng.normal(size=(data_dim, latent_dim))
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    bias = 3 * rng.normal(size=data_dim)
    arrays = (jnp.array(a, jnp.float32) for a in (weights, bias, NOISE_VAR))
    return LinearGaussian(*arrays), jax.random.key(data_dim), NUM_SAMPLES


def draws(model, key, num_samples, signal=1.0, noise=1.0, uniform=False, same=False):
    rng = np.random.default_rng(0)
    weights, bias = np.asarray(model.weights), np.asarray(model.bias)
    z = (rng.uniform if uniform else rng.normal)(size=(num_samples, weights.shape[1]))
    added = rng.normal(size=(num_samples, len(bias)))
    if same and z.shape == added.shape:
        added = z
    return signal * z @ weights.T + bias + noise * np.sqrt(NOISE_VAR) * added


EXERCISES = {
    "01.1": Exercise(  # fn(x (batch,), means (k,), std) -> log of the mean of k Gaussians, (batch,)
        inputs=lambda rng, batch, k, far: (
            far + rng.normal(size=batch),
            2 * rng.normal(size=k),
            0.7,
        ),
        sizes=[(5, 2, 0.0), (4, 7, 0.0), (3, 3, 60.0)],
        right=mixture,
        returns="one number for each x, (batch,)",
        not_finite="Far out, at x = 60, every density underflows to 0. Stay with logs: "
        "jax.scipy.special.logsumexp.",
        mistakes={
            "That is the log of the sum: each part has probability 1/k, so subtract log k.": (
                lambda x, means, std: logsumexp(parts(x, means, std), axis=0)
            ),
            "You averaged the logs; the exercise asks for the log of the average.": (
                lambda x, means, std: parts(x, means, std).mean(axis=0)
            ),
            "The constant -log(2π)/2 is missing.": (
                lambda x, means, std: mixture(x, means, std) + 0.5 * np.log(2 * np.pi)
            ),
            "The term -log(std) is missing.": (
                lambda x, means, std: mixture(x, means, std) + np.log(std)
            ),
        },
    ),
    "01.2": Exercise(  # fn(model, key, num_samples) -> draws of x, (num_samples, data_dim)
        inputs=model_and_key,
        sizes=[(2, 2), (4, 1), (3, 5)],
        right=draws,
        returns="one row for each sample, (num_samples, data_dim)",
        summary=lambda x: (x.mean(axis=0), np.cov(np.asarray(x).T)),
        rtol=0,
        atol=0.15,  # six standard errors of a covariance of 1.8, of two sets of draws
        mistakes={
            "Those are the means of p(x | z), without its noise: draw from the distribution.": (
                lambda *arguments: draws(*arguments, noise=0)
            ),
            "Your x do not depend on z: decode the z that you drew.": (
                lambda *arguments: draws(*arguments, signal=0)
            ),
            "Your z look uniform; the prior is N(0, I): jax.random.normal.": (
                lambda *arguments: draws(*arguments, uniform=True)
            ),
            "z and the noise are the same numbers: split the key, use each half once.": (
                lambda *arguments: draws(*arguments, same=True)
            ),
        },
    ),
}
