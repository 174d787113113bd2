"""Examiners of lesson 14: a flow's density, and the weights in the gradients of L_k."""

import jax.numpy as jnp
import numpy as np
from scipy.special import softmax
from scipy.stats import norm

from vae_course.exercises.diagnosis import diagnose


def examine_flow(fn) -> str | None:
    """fn(u (n, d), log_scales (layers, n)) -> log q(z), (n,)."""
    for seed, (layers, n, dim) in enumerate(((3, 6, 2), (1, 4, 4), (5, 9, 2))):
        rng = np.random.default_rng(seed)
        u, log_scales = rng.normal(size=(n, dim)), rng.normal(size=(layers, n))
        base, stretch = norm.logpdf(u).sum(axis=1), log_scales.sum(axis=0)
        right = base - stretch
        mistakes = {
            "The sign: where the flow stretches, the density gets smaller.": base + stretch,
            "That is the density of u; the change of volume is missing.": base,
            "Every layer changes the volume: add up their log scales, don't average.": (
                base - log_scales.mean(axis=0)
            ),
            "These are log scales already: no exp.": base - np.exp(log_scales).sum(axis=0),
            "The ½ log 2π of each dimension is missing.": right + dim * 0.5 * np.log(2 * np.pi),
            "Only the last layer was counted.": base - log_scales[-1],
        }
        answer = fn(jnp.array(u, jnp.float32), jnp.array(log_scales, jnp.float32))
        diagnosis = diagnose(answer, right, mistakes)
        if diagnosis:
            return diagnosis
    return None


def examine_gradient_weights(fn) -> str | None:
    """fn(log_w (k, batch)) -> the decoder's weights, the encoder's by DReG."""
    for seed, (k, batch) in enumerate(((5, 3), (12, 4), (2, 6))):
        log_w = np.random.default_rng(seed).normal(-90, 2, size=(k, batch))
        shares = softmax(log_w, axis=0)
        across = softmax(log_w, axis=1)
        mistakes = {
            "The shares are among the samples of one image: axis 0.": [across, across**2],
            "That is the plain weight twice: DReG squares it.": [shares, shares],
            "DReG's squares are not normalised again.": [shares, softmax(2 * log_w, axis=0)],
            "The first is the plain share; only the encoder's is squared.": [shares**2, shares**2],
            "Turned round: the decoder's first.": [shares**2, shares],
            "These are the logs of the weights.": [np.log(shares), 2 * np.log(shares)],
        }
        answer = fn(jnp.array(log_w, jnp.float32))
        if not isinstance(answer, tuple) or len(answer) != 2:
            return "Return two arrays: the decoder's weights, then the encoder's."
        mistakes = {text: np.stack(value) for text, value in mistakes.items()}
        diagnosis = diagnose(np.stack(answer), np.stack([shares, shares**2]), mistakes)
        if diagnosis:
            return diagnosis
    return None


EXAMINERS = {"14.1": examine_flow, "14.2": examine_gradient_weights}
