"""Exercises of lesson 14: a flow's density, and the weights in the gradients of L_k."""

import numpy as np
from scipy.special import softmax
from scipy.stats import norm

from vae_course.lesson.exercises.exercise import Exercise


def base(u):
    return norm.logpdf(u).sum(axis=1)


def share(log_w):
    return softmax(log_w, axis=0)


EXERCISES = {
    "14.1": Exercise(  # fn(u (n, d), log_scales (layers, n)) -> log q(z), (n,)
        inputs=lambda rng, layers, n, d: (rng.normal(size=(n, d)), rng.normal(size=(layers, n))),
        sizes=[(3, 6, 2), (1, 4, 4), (5, 9, 2)],
        right=lambda u, s: base(u) - s.sum(axis=0),
        returns="one number per sample, (n,)",
        mistakes={
            "The sign: where the flow stretches, the density gets smaller.": (
                lambda u, s: base(u) + s.sum(axis=0)
            ),
            "That is the density of u; the change of volume is missing.": lambda u, s: base(u),
            "Every layer changes the volume: add up their log scales, don't average.": (
                lambda u, s: base(u) - s.mean(axis=0)
            ),
            "These are log scales already: no exp.": lambda u, s: base(u) - np.exp(s).sum(axis=0),
            "The ½ log 2π of each dimension is missing.": (
                lambda u, s: -0.5 * np.sum(u**2, axis=1) - s.sum(axis=0)
            ),
            "Only the last layer was counted.": lambda u, s: base(u) - s[-1],
        },
    ),
    "14.2": Exercise(  # fn(log_w (k, batch)) -> the decoder's weights, the encoder's by DReG
        inputs=lambda rng, *shape: (rng.normal(-90, 2, size=shape),),
        sizes=[(5, 3), (12, 4), (2, 6)],
        right=lambda w: (share(w), share(w) ** 2),
        returns="two arrays, the decoder's weights, then the encoder's",
        mistakes={
            "The shares are among the samples of one image: axis 0.": (
                lambda w: (softmax(w, axis=1), softmax(w, axis=1) ** 2)
            ),
            "That is the plain weight twice: DReG squares it.": lambda w: (share(w), share(w)),
            "DReG's squares are not normalised again.": lambda w: (share(w), share(2 * w)),
            "The first is the plain share; only the encoder's is squared.": (
                lambda w: (share(w) ** 2, share(w) ** 2)
            ),
            "Swapped: the decoder's first.": lambda w: (share(w) ** 2, share(w)),
            "These are the logs of the weights.": (
                lambda w: (np.log(share(w)), 2 * np.log(share(w)))
            ),
        },
    ),
}
