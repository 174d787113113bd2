"""Exercises of lesson 10: the rate of a noisy code, and where a weighted bound ends."""

import numpy as np
from scipy.stats import norm

from vae_course.lesson.exercises.exercise import Exercise


def rate(codes, std):
    """Cross entropy with N(0, I) less the entropy, which SciPy knows."""
    cross = 0.5 * np.sum(codes**2 + std**2 + np.log(2 * np.pi), axis=1)
    return cross - codes.shape[1] * norm(0, std).entropy()


def half_squares(codes):
    return 0.5 * np.sum(codes**2, axis=1)


def bounds(rng, batch):
    log_p, rates = -100 + 10 * rng.normal(size=batch), 10 + 5 * rng.random(batch)
    return log_p - 4 * rng.random(batch), rates, log_p


EXERCISES = {
    "10.1": Exercise(  # fn(codes (batch, d), std) -> KL(N(code, std^2 I) || N(0, I)), (batch,)
        inputs=lambda rng, batch, dim, std: (rng.normal(size=(batch, dim)), std),
        sizes=[(3, 4, 0.3), (5, 2, 0.05), (4, 7, 1.7)],
        right=rate,
        returns="one number per image, (batch,)",
        mistakes={
            "That is ½‖z‖² alone, which forgets what the noise costs or saves.": (
                lambda codes, std: half_squares(codes)
            ),
            "The noise is in every coordinate: its part counts latent_dim times.": (
                lambda codes, std: half_squares(codes) + rate(0 * codes[:, :1], std)
            ),
            "log σ² is 2 log σ: you take the logarithm of the standard deviation once.": (
                lambda codes, std: rate(codes, std) + 0.5 * codes.shape[1] * np.log(std)
            ),
            "You use σ where the variance σ² belongs.": lambda codes, std: rate(codes, std**0.5),
            "Sum over the latents; you averaged.": (
                lambda codes, std: rate(codes, std) / codes.shape[1]
            ),
            "The factor ½ is missing.": lambda codes, std: 2 * rate(codes, std),
        },
    ),
    "10.2": Exercise(  # fn(elbo, rate, log_p) -> the beta where mean objective = mean log p
        inputs=bounds,
        sizes=[(4,), (30,), (7,)],
        right=lambda elbo, rate, log_p: 1 - (log_p - elbo).mean() / rate.mean(),
        mistakes={
            "The other side of 1: a larger β lowers the objective.": (
                lambda elbo, rate, log_p: 1 + (log_p - elbo).mean() / rate.mean()
            ),
            "That is 1 - β: the share of the rate that the slack allows.": (
                lambda elbo, rate, log_p: (log_p - elbo).mean() / rate.mean()
            ),
            "Average slack and rate first; the mean of their ratios is another number.": (
                lambda elbo, rate, log_p: 1 - ((log_p - elbo) / rate).mean()
            ),
            "That divides by the distortion; (1 - β) multiplies the rate.": (
                lambda elbo, rate, log_p: 1 + (log_p - elbo).mean() / (elbo + rate).mean()
            ),
        },
    ),
}
