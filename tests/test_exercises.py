"""Every solution in the notebooks passes; every known mistake gets its own diagnosis."""

import re
import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import nbformat
import numpy as np
import pytest
from notebook_files import NOTEBOOKS

import vae_course as vc
from vae_course.exercises import PRAISE, examiners, verdict

EXAMINERS = examiners()


def cells():
    for path in NOTEBOOKS:
        yield from nbformat.read(path, as_version=4).cells


def solutions():
    """number -> code of the solution, folded beneath the exercise."""
    pattern = r"<!--solution (\S+)-->.*?```python\n(.*?)```"
    text = "\n".join(cell.source for cell in cells() if cell.cell_type == "markdown")
    return dict(re.findall(pattern, text, flags=re.DOTALL))


def stubs():
    """number -> (name of the function, code of the cell that ends in vc.check)."""
    for cell in cells():
        match = re.search(r'^vc\.check\("(\S+)", (\w+)\)', cell.source, flags=re.MULTILINE)
        if cell.cell_type == "code" and match:
            yield match[1], (match[2], cell.source)


def function_of(code, name):
    namespace = {"jax": jax, "jnp": jnp, "np": np, "vc": vc}
    exec(code, namespace)
    return namespace[name]


STUBS = dict(stubs())


def test_every_exercise_has_a_stub_and_a_solution():
    assert set(EXAMINERS) == set(STUBS) == set(solutions())


@pytest.mark.parametrize("number", EXAMINERS)
def test_the_solution_passes(number):
    assert verdict(number, function_of(solutions()[number], STUBS[number][0])) == PRAISE


@pytest.mark.parametrize("number", EXAMINERS)
def test_the_stub_is_not_done_yet(number):
    assert verdict(number, function_of(STUBS[number][1], STUBS[number][0])).startswith(
        "not done yet"
    )


WRONG = [
    mistake
    for path in sorted((Path(__file__).parent / "mistakes").glob("lesson_*.py"))
    for mistake in runpy.run_path(str(path))["WRONG"]
]


@pytest.mark.parametrize(("number", "wrong", "diagnosis"), WRONG)
def test_a_known_mistake_gets_its_own_diagnosis(number, wrong, diagnosis):
    answer = verdict(number, wrong)
    assert answer != PRAISE
    assert diagnosis in answer


def test_every_exercise_has_two_known_mistakes():
    for number in EXAMINERS:
        assert len({message for n, _, message in WRONG if n == number}) >= 2


def test_an_unknown_number_gets_the_list():
    with pytest.raises(ValueError, match=r"'99.1': there are 00.1, "):
        vc.check("99.1", print)
