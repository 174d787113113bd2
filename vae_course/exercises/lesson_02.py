"""Examiners of lesson 02: the error of an estimate, and the hidden encoder."""

import jax
import jax.numpy as jnp
import numpy as np

from vae_course.exercises.diagnosis import diagnose
from vae_course.linear import LinearGaussian


def examine_standard_error(fn) -> str | None:
    """fn(log_probs (num_samples,)) -> standard error of log p-hat, in nats."""
    for seed, (size, offset) in enumerate([(10, 0.0), (300, -3.0), (1000, -130.0), (64, -900.0)]):
        log_probs = offset + jax.random.normal(jax.random.key(seed), (size,))
        answer = np.asarray(fn(log_probs))
        if answer.shape != ():
            return f"Return one number for one image; yours has shape {answer.shape}."
        diagnosis = _diagnose_standard_error(float(answer), np.asarray(log_probs, np.float64))
        if diagnosis:
            return diagnosis
    return None


def _diagnose_standard_error(answer, log_probs):
    values = np.exp(log_probs - log_probs.max())
    size, mean, spread = len(values), values.mean(), values.std(ddof=1)
    right = spread / np.sqrt(size) / mean
    lookalikes = {
        "That is the spread of single samples: an average of N is √N times steadier.": spread
        / mean,
        "That looks like the spread of the log values; the average is taken of p, not of log p.": (
            log_probs.std(ddof=1) / np.sqrt(size)
        ),
        "That is the error of p-hat, up to a factor; the log's is relative: divide by p-hat.": (
            spread / np.sqrt(size)
        ),
    }
    if not np.isfinite(answer) or (answer == 0 and log_probs.max() < -80):
        return (
            f"For log values near {log_probs.mean():.0f} you return {answer}: exp of them is 0 in "
            "float32. Subtract the largest before exp; it cancels in the ratio."
        )
    # Loose enough for either convention, division by N or by N - 1.
    return diagnose(answer, right, lookalikes, rtol=0.002 + 1 / size, atol=0)


def examine_posterior_std(fn) -> str | None:
    """fn(model, x (batch, d), z (num_samples, k)) -> std of z given x, (batch, k)."""
    for seed, (batch, num_samples, latent_dim) in enumerate([(4, 50, 2), (7, 300, 3), (3, 6, 1)]):
        weights_key, x_key, z_key = jax.random.split(jax.random.key(seed), 3)
        weights = jax.random.normal(weights_key, (5, latent_dim))
        model = LinearGaussian(weights, jnp.zeros(5), jnp.float32(2.0))
        x = 1.5 * jax.random.normal(x_key, (batch, 5))
        z = jax.random.normal(z_key, (num_samples, latent_dim))
        diagnosis = _diagnose_posterior_std(np.asarray(fn(model, x, z)), *_exact_table(model, x, z))
        if diagnosis:
            return diagnosis
    return None


def _exact_table(model, x, z):
    """log p(x | z) in float64, from the definition, (num_samples, batch); and z."""
    x, z, weights = (np.asarray(a, np.float64) for a in (x, z, model.weights))
    squares = np.square(x[None] - (z @ weights.T)[:, None]).sum(axis=-1)
    noise_var = float(model.noise_var)
    return -0.5 * (squares / noise_var + x.shape[-1] * np.log(2 * np.pi * noise_var)), z


def _diagnose_posterior_std(answer, log_probs, z):
    shares = _softmax(log_probs, axis=0)
    variance = _variance(shares, z)
    if answer.shape != variance.shape:
        return (
            f"Return one number for each image and latent, shape (batch, latent_dim) = "
            f"{variance.shape}; yours is {answer.shape}."
        )
    over_images = _softmax(log_probs, axis=1)
    lookalikes = {
        "That is the variance: take its square root.": variance,
        "You left out the mean: subtract it from z before squaring.": np.sqrt(shares.T @ z**2),
        "The softmax runs over the images: shares must sum to 1 over the samples, axis 0.": (
            np.sqrt(_variance(over_images, z))
        ),
        "You weigh by p(x | z) itself: divide by its sum over the samples (softmax does).": (
            np.sqrt(_variance(np.exp(log_probs), z))
        ),
        "That is the plain spread of z, the same for every image: weigh each z by its share.": (
            np.broadcast_to(z.std(axis=0), variance.shape)
        ),
    }
    return diagnose(answer, np.sqrt(variance), lookalikes)


def _softmax(values, axis):
    powers = np.exp(values - values.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def _variance(shares, z):
    mean = shares.T @ z
    return np.einsum("sb,sbk->bk", shares, np.square(z[:, None] - mean[None]))


EXAMINERS = {"02.1": examine_standard_error, "02.2": examine_posterior_std}
