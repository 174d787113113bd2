"""Every solution in the notebooks passes; every known mistake gets its own diagnosis."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from wrong_answers import WRONG

import vae_course as vc
from notebooks import NOTEBOOKS, read, text
from vae_course import lesson
from vae_course.lesson.exercises import PRAISE, exercises, verdict

EXERCISES = exercises()
CELLS = [cell for path in NOTEBOOKS for cell in read(path).cells]
SOLUTIONS = dict(  # number -> code of the solution, folded beneath the exercise
    re.findall(
        r"<!--solution (\S+)-->.*?```python\n(.*?)```",
        "\n".join(text(read(path)) for path in NOTEBOOKS),
        flags=re.DOTALL,
    )
)
STUBS = {  # number -> (name of the function, code of the cell that ends in lesson.check)
    found[1]: (found[2], cell.source)
    for cell in CELLS
    if (found := re.search(r'^lesson\.check\("(\S+)", (\w+)\)', cell.source, flags=re.MULTILINE))
}


def function_of(code, name):
    namespace = {"jax": jax, "jnp": jnp, "np": np, "vc": vc, "lesson": lesson}
    exec(code, namespace)
    return namespace[name]


def test_every_exercise_has_a_stub_a_solution_and_two_independent_wrong_answers():
    assert set(EXERCISES) == set(STUBS) == set(SOLUTIONS)
    assert sorted(number for number, *_ in WRONG) == sorted([*EXERCISES] * 2)


@pytest.mark.parametrize("number", EXERCISES)
def test_the_solution_passes_and_the_stub_is_not_done_yet(number):
    name, stub = STUBS[number]
    assert verdict(number, function_of(SOLUTIONS[number], name)) == PRAISE
    assert verdict(number, function_of(stub, name)).startswith("not done yet")


@pytest.mark.parametrize(("number", "wrong", "diagnosis"), WRONG)
def test_an_independent_wrong_answer_gets_its_diagnosis(number, wrong, diagnosis):
    assert diagnosis in verdict(number, wrong)


@pytest.mark.parametrize("number", EXERCISES)
def test_no_known_mistake_is_taken_for_right_or_for_another(number):
    exercise = EXERCISES[number]
    for message, mistake in exercise.mistakes.items():
        said = (exercise.compare(mistake(*arguments), arguments) for arguments in exercise.tests())
        assert next(filter(None, said), None) == message


def test_code_that_fails_and_unknown_numbers_are_answered():
    assert "stopped with ZeroDivisionError: " in verdict("00.1", lambda *_: 1 / 0)
    assert "returns nothing" in verdict("08.1", lambda *_: None)
    assert "yours is a dict: {'a': 1}" in verdict("08.1", lambda *_: {"a": 1})

    def calls_another(*_):
        raise_it()

    def raise_it():
        raise NotImplementedError("no gradient of this")

    assert "stopped with NotImplementedError: no grad" in verdict("08.1", calls_another)
    with pytest.raises(ValueError, match=r"'99.1': there are 00.1, "):
        lesson.check("99.1", print)
