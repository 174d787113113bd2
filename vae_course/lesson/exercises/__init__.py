"""`check("02.1", fn)`: tells a learner what is right, or which mistake it looks like.

Each lesson has a file of exercises: data, which `Exercise` compares an answer with.
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module

from vae_course.lesson.console import say


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
    try:
        diagnosis = exercises()[exercise].diagnose(fn)
    except NotImplementedError:
        return "not done yet. Replace the line that raises NotImplementedError."
    except Exception as error:  # the learner's code may fail in any way
        return f"your function stopped with {type(error).__name__}: {error}"
    return PRAISE if diagnosis is None else f"not yet. {diagnosis}"


@cache  # not at import: the exercises bring SciPy, which takes longer to load than all the rest
def exercises() -> dict:
    """number -> Exercise, of all lessons."""
    names = [f"{__name__}.lesson_{number:02d}" for number in range(15)]
    return {number: e for name in names for number, e in import_module(name).EXERCISES.items()}


PRAISE = "right. Every random test agrees with the exact answer. Well done!"
