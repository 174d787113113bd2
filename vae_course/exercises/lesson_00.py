"""Examiners of lesson 00, a self-test: expectation, log, Gaussian, gradient."""

import numpy as np

from vae_course.exercises.diagnosis import diagnose


def examine_expectation(fn) -> str | None:
    """fn(values (k,), probabilities (k,)) -> the expected value."""
    for rng, size in _cases((6, 2, 40)):
        values, probabilities = rng.normal(size=size), rng.dirichlet(np.ones(size))
        products = probabilities * values
        mistakes = {
            "That is the plain average: weigh each value by its probability.": values.mean(),
            "Do not divide by the number of values: the probabilities already sum to 1.": (
                products.mean()
            ),
        }
        diagnosis = diagnose(fn(values, probabilities), products.sum(), mistakes)
        if diagnosis:
            return diagnosis
    return None


def examine_log_of_product(fn) -> str | None:
    """fn(probabilities (n,)) -> log of the probability that all n events happen."""
    for rng, size in _cases((3, 20, 5000)):
        logs = np.log(rng.uniform(0.2, 0.9, size=size))
        answer = np.asarray(fn(np.exp(logs)))
        if answer.shape == () and np.isneginf(answer):
            return (
                f"The product of {size} probabilities underflows to 0, and log 0 is -inf: "
                "take logs first, then add."
            )
        mistakes = {
            "That is log base 10; here log is the natural one, np.log.": logs.sum() / np.log(10),
            "That is the average of the logs: the log of a product is their sum.": logs.mean(),
            "That is the probability itself: its log is asked for.": np.exp(logs.sum()),
        }
        diagnosis = diagnose(answer, logs.sum(), mistakes)
        if diagnosis:
            return diagnosis
    return None


def examine_gaussian(fn) -> str | None:
    """fn(x (n,), mean, std) -> log N(x; mean, std ** 2), (n,)."""
    for rng, size in _cases((5, 1, 100)):
        mean, std = rng.normal(), rng.uniform(0.3, 0.8)
        x = mean + rng.normal(size=size)
        squares = np.square((x - mean) / std)
        constant = 0.5 * np.log(2 * np.pi)
        right = -0.5 * squares - np.log(std) - constant
        mistakes = {
            "The constant -log(2π)/2 is missing: without it, it does not integrate to 1.": (
                right + constant
            ),
            "The term -log(std) is missing: a wider density must be lower.": right + np.log(std),
            "You divide by std where its square, the variance, belongs.": (
                -0.5 * np.square(x - mean) / std - np.log(std) - constant
            ),
            "That is the density itself: its log is asked for.": np.exp(right),
        }
        diagnosis = diagnose(fn(x, mean, std), right, mistakes)
        if diagnosis:
            return diagnosis
    return None


def examine_gradient(fn) -> str | None:
    """fn(w, x, y) -> the derivative of (w * x - y) ** 2 with respect to w."""
    for rng, _ in _cases((1, 1, 1)):
        w, x, y = (float(value) for value in rng.uniform(1, 3, size=3))
        right = 2 * (w * x - y) * x
        mistakes = {
            "The inner derivative is missing: w * x - y itself changes by x.": 2 * (w * x - y),
            "The 2 is missing: the square's derivative is 2 (w * x - y).": right / 2,
            "That is the derivative with respect to x.": 2 * (w * x - y) * w,
            "The sign is turned round: is the error w * x - y, or y - w * x?": -right,
        }
        diagnosis = diagnose(fn(w, x, y), right, mistakes)
        if diagnosis:
            return diagnosis
    return None


def _cases(sizes):
    return [(np.random.default_rng(seed), size) for seed, size in enumerate(sizes)]


EXAMINERS = {
    "00.1": examine_expectation,
    "00.2": examine_log_of_product,
    "00.3": examine_gaussian,
    "00.4": examine_gradient,
}
