"""`claim`: a number in the text is measured again when the notebook runs, and can fail.

`recorded`: the results of runs too long for a lesson.
"""

import json
import os
from pathlib import Path

from vae_course.data import Dataset

RECORDED = Path(__file__).parent / "recorded"
STRICT = "VAE_COURSE_STRICT"  # set: a claim that cannot be checked is an error


class ClaimError(AssertionError):
    """A number in the text is not what this run measured."""


def claim(
    number: str,
    text: str,
    measured: float,
    *,
    says: float | None = None,
    within: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    on: Dataset | None = None,
) -> None:
    """Checks a number of the text against this run, and prints both.

    Args:
        number: such as "02.3", as in the comment beside the number in the text.
        text: what is measured, in words.
        measured: this run's value.
        says, within: the text's value and its tolerance; or else
        at_least, at_most: the bounds that the text promises (one or both).
        on: the data it was measured on. Claims speak of MNIST: on other data they
            are reported as not checked. None: no data are involved.
    Raises:
        ClaimError: if it does not hold (NaN never does); or if it could not be
            checked and the environment sets VAE_COURSE_STRICT.
        ValueError: if the bounds given are not one of the two forms.
    """
    low, high = _bounds(number, says, within, at_least, at_most)
    measured = float(measured)
    line = f"claim {number} · {text}: {measured:.4g}"
    if on is not None and on.name != "mnist":
        if os.environ.get(STRICT):
            raise ClaimError(f"{line}: not checked, the data are {on.name!r}")
        print(f"{line} (not checked: the text speaks of MNIST, these data are {on.name!r})")
        return
    promise = _promise(says, within, at_least, at_most)
    if not low <= measured <= high:
        raise ClaimError(f"{line}, but the text promises {promise}")
    print(f"✓ {line} (promised: {promise})")


def recorded(name: str) -> dict:
    """A recorded table: "script" that made it, "date", and "rows", a dict for each run.

    `make results` measures it again.

    Raises:
        ValueError: if no table has this name.
    """
    tables = {path.stem: path for path in RECORDED.glob("*.json")}
    if name not in tables:
        raise ValueError(f"no table is called {name!r}: there are {', '.join(sorted(tables))}")
    return json.loads(tables[name].read_text())


def _bounds(number, says, within, at_least, at_most):
    around = says is not None and within is not None and at_least is None and at_most is None
    beyond = says is None and within is None and not (at_least is None and at_most is None)
    if not (around or beyond):
        raise ValueError(f"claim {number}: give says= and within=, or at_least= and/or at_most=")
    if around:
        return says - within, says + within
    low = -float("inf") if at_least is None else at_least
    return low, float("inf") if at_most is None else at_most


def _promise(says, within, at_least, at_most):
    if says is not None:
        return f"{says:g} ± {within:g}"
    parts = [("at least", at_least), ("at most", at_most)]
    return ", ".join(f"{word} {bound:g}" for word, bound in parts if bound is not None)
