"""`check("02.1", fn)`: tells a learner what is right, or which mistake it looks like.

Each lesson has a file of exercises: data, which `Exercise` compares an answer with.
"""

import inspect
import traceback
from collections.abc import Callable
from functools import cache
from importlib import import_module

from vae_course.lesson.console import say
from vae_course.lesson.exercises.exercise import as_jax


def check(exercise: str, fn: Callable) -> None:
    """Prints "not done yet", a diagnosis, or praise. Never raises for a wrong answer.

    Raises:
        ValueError: if no exercise has this number.
    """
    say(f"Exercise {exercise}: {verdict(exercise, fn)}")


def verdict(exercise: str, fn: Callable) -> str:
    """What `check` prints."""
    if exercise not in exercises():
        known = ", ".join(sorted(exercises()))
        raise ValueError(f"no exercise has the number {exercise!r}: there are {known}")
    data = exercises()[exercise]
    for arguments in data.tests():
        try:
            answer = fn(*map(as_jax, arguments))
        except Exception as error:  # the learner's code may fail in any way
            if isinstance(error, NotImplementedError) and _is_raised_in(fn, error):
                return "not done yet. Replace the line that raises NotImplementedError."
            return f"your function stopped with {type(error).__name__}: {error}"
        if diagnosis := data.compare(answer, arguments):
            return f"not yet. {diagnosis}"
    return PRAISE


def _is_raised_in(fn: Callable, error: Exception) -> bool:
    """Whether a line of `fn` itself raises it, as a stub does, and not what it calls."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_code is getattr(inspect.unwrap(fn), "__code__", None)


@cache  # not at import: the exercises bring SciPy, which takes longer to load than all the rest
def exercises() -> dict:
    """number -> Exercise, of all lessons."""
    names = [f"{__name__}.lesson_{number:02d}" for number in range(15)]
    return {number: e for name in names for number, e in import_module(name).EXERCISES.items()}


PRAISE = "right. Every random test agrees with the exact answer. Well done!"
