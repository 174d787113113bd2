"""An exercise as data: the inputs, the right answer, and what known mistakes return."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from scipy.special import logsumexp


@dataclass(frozen=True)
class Exercise:
    """What an answer is held against: `right` and `mistakes`, NumPy functions of the inputs.

    Attributes:
        inputs: (rng, *size) -> the arguments of the learner's function, in float64.
        sizes: one random test for each, with its number as the seed.
        right: (*arguments) -> the exact answer: an array, a number, or a tuple of them.
        mistakes: diagnosis -> (*arguments) -> what somebody who makes the mistake returns.
        returns: what the function must return, said where the shape differs.
        not_finite: said where the answer has a NaN or an infinity.
        summary: what is compared of an answer, where it is not the answer itself.
        rtol, atol: tolerances as in np.allclose; rtol may be a function of the arguments.
    """

    inputs: Callable
    sizes: Sequence[tuple]
    right: Callable
    mistakes: Mapping[str, Callable]
    returns: str = "one number"
    not_finite: str | None = None
    summary: Callable = lambda answer: answer
    rtol: float | Callable = 1e-3
    atol: float = 1e-3

    def tests(self) -> Iterator[tuple]:
        """The arguments of each test."""
        for seed, size in enumerate(self.sizes):
            yield self.inputs(np.random.default_rng(seed), *size)

    def compare(self, answer, arguments: tuple) -> str | None:
        """None if an answer to one test is right, else the message of the mistake it looks like."""
        if answer is None:
            return "Your function returns nothing: end it with `return ...`."
        if not _is_numbers(answer):
            return f"Return {self.returns}; yours is a {type(answer).__name__}: {str(answer)[:60]}"
        right = self.right(*arguments)
        if _shapes(answer) != _shapes(right):
            return f"Return {self.returns}: {_shapes(right)}; yours is {_shapes(answer)}."
        found, exact = _numbers(self.summary(answer)), _numbers(self.summary(right))
        if self.not_finite and not np.isfinite(found).all():
            return self.not_finite
        rtol = self.rtol(*arguments) if callable(self.rtol) else self.rtol

        def is_found(value):
            return np.allclose(found, value, rtol=rtol, atol=self.atol)

        if is_found(exact):
            return None
        for message, mistake in self.mistakes.items():
            if is_found(_numbers(self.summary(mistake(*arguments)))):
                return message
        if exact.size == 1:
            return f"The answer is {exact[0]:.4f}; you return {found[0]:.4f}."
        return f"The largest difference from the exact answer is {np.abs(found - exact).max():.3g}."


def log_mean(values, axis: int = 0):
    """log of the mean of exp(values), in float64: what most right answers average with."""
    return logsumexp(values, axis=axis) - np.log(np.shape(values)[axis])


def _parts(value):
    return value if isinstance(value, tuple | list) else (value,)


def _shapes(value) -> str:
    shapes = [np.shape(part) for part in _parts(value)]
    return " and ".join(f"shape {shape}" if shape else "a number" for shape in shapes)


def _numbers(value) -> np.ndarray:
    """All numbers of an answer, one after the other."""
    return np.concatenate([np.ravel(np.asarray(part, np.float64)) for part in _parts(value)])


def _is_numbers(answer) -> bool:
    try:
        _numbers(answer)
    except (TypeError, ValueError):
        return False
    return True


def as_jax(argument):
    """Arrays of floats as a lesson has them; numbers, models and functions as they are."""
    return jnp.asarray(argument, jnp.float32) if isinstance(argument, np.ndarray) else argument
