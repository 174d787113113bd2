"""Claims pass, fail, or say that they were not checked; recorded tables name their source."""

from pathlib import Path

import numpy as np
import pytest

from vae_course import lesson
from vae_course.data import Dataset
from vae_course.lesson.claims import ClaimError
from vae_course.lesson.recorded import FOLDER

EMPTY = np.zeros((0, 784), np.float32)
MNIST = Dataset("mnist", EMPTY, EMPTY[:, 0], EMPTY, EMPTY[:, 0])
DIGITS = Dataset("digits", EMPTY, EMPTY[:, 0], EMPTY, EMPTY[:, 0])


@pytest.mark.parametrize("says", ["3 ± 0.5", "at least 2", "at most 4", "-2 to 4", "3e0 ± 5e-1"])
def test_a_claim_that_holds_is_one_line_of_a_table(says, capsys):
    lesson.claims(("02.1", "the answer", np.float32(3.2), f"{says} on MNIST"), on=MNIST)
    _, row = capsys.readouterr().out.splitlines()
    assert row.split() == ["✓", "02.1", "the", "answer", "3.2", *says.split(), "on", "MNIST"]


@pytest.mark.parametrize("says", ["3 ± 0.5", "at least 4", "at most 3", "-3 to 3"])
@pytest.mark.parametrize("measured", [3.6, np.nan])
def test_claims_that_fail_raise_once_after_all_are_printed(says, measured, capsys):
    rows = [(f"02.{n}", "the answer", measured, says) for n in (1, 2)]
    with pytest.raises(ClaimError, match=r"02.1 .*the text says .*; 02.2 "):
        lesson.claims(*rows, ("02.3", "another", 1, "1 ± 1"))
    assert [line[0] for line in capsys.readouterr().out.splitlines()[1:]] == ["✗", "✗", "✓"]


def test_on_other_data_a_claim_about_mnist_is_reported_as_not_checked(capsys, monkeypatch):
    rows = ("02.1", "the answer", 99, "3 ± 1 on MNIST"), ("02.2", "on any data", 3, "3 ± 1")
    monkeypatch.delenv("VAE_COURSE_STRICT", raising=False)
    lesson.claims(*rows, on=DIGITS)
    assert "not checked on 'digits'" in capsys.readouterr().out
    monkeypatch.setenv("VAE_COURSE_STRICT", "1")
    with pytest.raises(ClaimError, match="02.1 .*not checked on 'digits'"):
        lesson.claims(*rows, on=DIGITS)


@pytest.mark.parametrize("says", ["", "3", "about 3", "3 ± 0.5 on KMNIST", "at least"])
def test_a_claim_that_says_nothing_clear_is_refused(says):
    with pytest.raises(ValueError, match="write '3 ± 0.5'"):
        lesson.claims(("02.1", "the answer", 3, says), on=MNIST)


def test_a_claim_about_mnist_must_know_the_data():
    with pytest.raises(ValueError, match="name the data"):
        lesson.claims(("02.1", "the answer", 3, "3 ± 1 on MNIST"))


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.json")))
def test_a_recorded_table_names_script_date_and_seeds(name):
    table = lesson.recorded(name)
    assert (Path(__file__).parents[2] / table["script"]).exists()
    assert len(table["date"]) == len("2026-11-20")
    assert all("seed" in row for row in table["rows"])


def test_a_table_that_does_not_exist_gets_the_list():
    with pytest.raises(ValueError, match="'nothing': there are collapse, curse_samples"):
        lesson.recorded("nothing")
