"""`claims`: the numbers in the text are measured again when the notebook runs, and can fail."""

import os
import re

from vae_course.data import Dataset
from vae_course.lesson.console import say

STRICT = "VAE_COURSE_STRICT"  # set: a claim that cannot be checked is an error
NUMBER = r"(-?[\d.]+(?:e-?\d+)?)"
FORMS = {  # what the text says -> the lowest and the highest value that agree with it
    rf"{NUMBER} ± {NUMBER}": lambda value, error: (value - error, value + error),
    rf"at least {NUMBER}": lambda low: (low, float("inf")),
    rf"at most {NUMBER}": lambda high: (-float("inf"), high),
    rf"{NUMBER} to {NUMBER}": lambda low, high: (low, high),
}
ON_MNIST = " on MNIST"


class ClaimError(AssertionError):
    """A number in the text is not what this run measured."""


def claims(*rows: tuple[str, str, float, str], on: Dataset | None = None) -> None:
    """Prints what the text says beside what this run measured, then raises if they differ.

    Args:
        rows: (number, what is measured, this run's value, what the text says). The number,
            such as "02.3", stands in a comment beside the text's own. The text says
            "-128.7 ± 2", "at least 3", "at most 3" or "1 to 3"; " on MNIST" behind that
            leaves the row unchecked on other data.
        on: the data that were loaded; needed where a row says "on MNIST".
    Raises:
        ClaimError: after all rows are printed, if one does not hold (NaN never does), or
            could not be checked and the environment sets VAE_COURSE_STRICT.
        ValueError: for a row that says something else, or "on MNIST" without `on`.
    """
    agreed = [agreeing(says) for *_, says in rows]
    if on is None and any(says.endswith(ON_MNIST) for *_, says in rows):
        raise ValueError('a row says "on MNIST": name the data, lesson.claims(..., on=data)')
    widest = max(len(what) for _, what, _, _ in rows)
    say(f"  {'':5} {'':{widest}}  {'this run':>10}   the text says")
    wrong = []
    for (number, what, measured, says), (low, high) in zip(rows, agreed, strict=True):
        measured = float(measured)
        if says.endswith(ON_MNIST) and on.name != "mnist":
            mark = "·"
            says = f"{says} (not checked on {on.name!r})"
            failed = bool(os.environ.get(STRICT))
        else:
            failed = not low <= measured <= high
            mark = "✗" if failed else "✓"
        if failed:
            wrong.append(f"{number} ({what}): measured {measured:.4g}, the text says {says}")
        say(f"{mark} {number:5} {what:{widest}}  {measured:>10.4g}   {says}")
    if wrong:
        raise ClaimError("the text does not hold in this run: " + "; ".join(wrong))


def agreeing(says: str) -> tuple[float, float]:
    """The lowest and the highest value that agree with what the text says."""
    for form, bounds in FORMS.items():
        if found := re.fullmatch(form, says.removesuffix(ON_MNIST)):
            return bounds(*map(float, found.groups()))
    raise ValueError(
        f"a claim says {says!r}: write '3 ± 0.5', 'at least 3', 'at most 3' or '1 to 3', "
        f"followed by {ON_MNIST!r} where it holds on MNIST only"
    )
