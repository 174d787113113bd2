"""Exercises of lesson 00, a self-test: expectation, log, Gaussian, gradient."""

import numpy as np

from vae_course.lesson.exercises.exercise import Exercise

LOG_2PI = np.log(2 * np.pi)


def gaussian(x, mean, std, variance=None):
    variance = std**2 if variance is None else variance
    return -0.5 * (x - mean) ** 2 / variance - np.log(std) - 0.5 * LOG_2PI


EXERCISES = {
    "00.1": Exercise(  # fn(values (k,), probabilities (k,)) -> the expected value
        inputs=lambda rng, k: (rng.normal(size=k), rng.dirichlet(np.ones(k))),
        sizes=[(6,), (2,), (40,)],
        right=lambda values, p: values @ p,
        mistakes={
            "That is the plain average: weigh each value by its probability.": (
                lambda values, p: values.mean()
            ),
            "Do not divide by the number of values: the probabilities already sum to 1.": (
                lambda values, p: (values * p).mean()
            ),
        },
    ),
    "00.2": Exercise(  # fn(probabilities (n,)) -> log of the probability that all n events happen
        inputs=lambda rng, n: (rng.uniform(0.2, 0.9, size=n),),
        sizes=[(3,), (20,), (5000,)],
        right=lambda p: np.log(p).sum(),
        not_finite="The product of so many probabilities underflows to 0, and log 0 is -inf: take "
        "logs first, then add.",
        mistakes={
            "That is log base 10; here log is the natural one, np.log.": (
                lambda p: np.log10(p).sum()
            ),
            "That is the average of the logs: the log of a product is their sum.": (
                lambda p: np.log(p).mean()
            ),
            "That is the probability itself; the exercise asks for its log.": lambda p: np.prod(p),
        },
    ),
    "00.3": Exercise(  # fn(x (n,), mean, std) -> log N(x; mean, std ** 2), (n,)
        inputs=lambda rng, n: (rng.normal(size=n), rng.normal(), rng.uniform(0.3, 0.8)),
        sizes=[(5,), (1,), (100,)],
        right=gaussian,
        returns="one number for each x, (n,)",
        mistakes={
            "The constant -log(2π)/2 is missing: without it, it does not integrate to 1.": (
                lambda x, mean, std: gaussian(x, mean, std) + 0.5 * LOG_2PI
            ),
            "The term -log(std) is missing: a wider density must be lower.": (
                lambda x, mean, std: gaussian(x, mean, std) + np.log(std)
            ),
            "You divide by std where its square, the variance, belongs.": (
                lambda x, mean, std: gaussian(x, mean, std, variance=std)
            ),
            "That is the density itself; the exercise asks for its log.": (
                lambda x, mean, std: np.exp(gaussian(x, mean, std))
            ),
        },
    ),
    "00.4": Exercise(  # fn(w, x, y) -> the derivative of (w * x - y) ** 2 with respect to w
        inputs=lambda rng: tuple(map(float, rng.uniform(1, 3, size=3))),
        sizes=[()] * 3,
        right=lambda w, x, y: 2 * (w * x - y) * x,
        mistakes={
            "The inner derivative is missing: w * x - y itself changes by x.": (
                lambda w, x, y: 2 * (w * x - y)
            ),
            "The 2 is missing: the square's derivative is 2 (w * x - y).": (
                lambda w, x, y: (w * x - y) * x
            ),
            "That is the derivative with respect to x.": lambda w, x, y: 2 * (w * x - y) * w,
            "The sign is flipped: is the error w * x - y, or y - w * x?": (
                lambda w, x, y: 2 * (y - w * x) * x
            ),
        },
    ),
}
