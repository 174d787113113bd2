"""Examiners of lesson 10: the rate of a noisy code, and where a weighted bound ends."""

import jax.numpy as jnp
import numpy as np

from vae_course.exercises.diagnosis import diagnose


def examine_rate(fn) -> str | None:
    """fn(codes (batch, d), std) -> KL(N(code, std^2 I) || N(0, I)), (batch,)."""
    for seed, (batch, dim, std) in enumerate([(3, 4, 0.3), (5, 2, 0.05), (4, 7, 1.7)]):
        rng = np.random.default_rng(seed)
        codes = rng.normal(size=(batch, dim))
        half_squares = 0.5 * np.square(codes).sum(axis=1)
        width = 0.5 * (std**2 - 1 - 2 * np.log(std))
        right = half_squares + dim * width
        mistakes = {
            "That is ½‖z‖² alone, which forgets what the noise costs or saves.": half_squares,
            "The noise is in every coordinate: its part counts latent_dim times.": (
                half_squares + width
            ),
            "log σ² is 2 log σ: you take the logarithm of the standard deviation once.": (
                right + 0.5 * dim * np.log(std)
            ),
            "You use σ where the variance σ² belongs.": (
                half_squares + dim * 0.5 * (std - 1 - np.log(std))
            ),
            "Sum over the latents; you averaged.": right / dim,
            "The factor ½ is missing.": 2 * right,
        }
        diagnosis = diagnose(fn(jnp.array(codes, jnp.float32), std), right, mistakes)
        if diagnosis:
            return diagnosis
    return None


def examine_where_the_bound_ends(fn) -> str | None:
    """fn(elbo, rate, log_p) -> the beta at which mean objective and mean log p agree."""
    for seed, batch in enumerate((4, 30, 7)):
        rng = np.random.default_rng(seed)
        log_p, rate = -100 + 10 * rng.normal(size=batch), 10 + 5 * rng.random(batch)
        elbo = log_p - 4 * rng.random(batch)
        slack = log_p - elbo
        right = 1 - slack.mean() / rate.mean()
        mistakes = {
            "The other side of 1: a larger β lowers the objective.": 2 - right,
            "That is 1 - β: the share of the rate that the slack allows.": 1 - right,
            "Average slack and rate first; the mean of their ratios is another number.": (
                1 - (slack / rate).mean()
            ),
            "That divides by the distortion; (1 - β) multiplies the rate.": (
                1 - slack.mean() / -(elbo + rate).mean()
            ),
        }
        answer = fn(*(jnp.array(a, jnp.float32) for a in (elbo, rate, log_p)))
        diagnosis = diagnose(answer, right, mistakes)
        if diagnosis:
            return diagnosis
    return None


EXAMINERS = {"10.1": examine_rate, "10.2": examine_where_the_bound_ends}
