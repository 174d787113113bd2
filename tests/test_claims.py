"""A claim passes, fails, or says that it was not checked; recorded tables name their source."""

from pathlib import Path

import numpy as np
import pytest

import vae_course as vc
from vae_course import claims
from vae_course.claims import ClaimError
from vae_course.data import Dataset

EMPTY = np.zeros((0, 784), np.float32)
MNIST = Dataset("mnist", EMPTY, EMPTY[:, 0], EMPTY, EMPTY[:, 0])
DIGITS = Dataset("digits", EMPTY, EMPTY[:, 0], EMPTY, EMPTY[:, 0])


@pytest.mark.parametrize(
    "bounds",
    [{"says": 3, "within": 0.5}, {"at_least": 2}, {"at_most": 4}, {"at_least": 2, "at_most": 4}],
)
def test_a_claim_that_holds_says_so(bounds, capsys):
    vc.claim("02.1", "the answer", np.float32(3.2), on=MNIST, **bounds)
    assert capsys.readouterr().out.startswith("✓ claim 02.1 · the answer: 3.2")


@pytest.mark.parametrize("bounds", [{"says": 3, "within": 0.5}, {"at_least": 4}, {"at_most": 3}])
@pytest.mark.parametrize("measured", [3.6, np.nan])
def test_a_claim_that_fails_raises(bounds, measured):
    with pytest.raises(ClaimError, match=r"claim 02.1 .* but the text promises"):
        vc.claim("02.1", "the answer", measured, on=MNIST, **bounds)


def test_on_other_data_it_is_reported_as_not_checked(capsys, monkeypatch):
    monkeypatch.delenv("VAE_COURSE_STRICT", raising=False)
    vc.claim("02.1", "the answer", 99, says=3, within=1, on=DIGITS)
    assert "not checked" in capsys.readouterr().out


def test_where_checking_is_required_not_checked_is_a_failure(monkeypatch):
    monkeypatch.setenv("VAE_COURSE_STRICT", "1")
    with pytest.raises(ClaimError, match="not checked, the data are 'digits'"):
        vc.claim("02.1", "the answer", 3, says=3, within=1, on=DIGITS)


@pytest.mark.parametrize(
    "bounds", [{}, {"says": 3}, {"within": 1}, {"says": 3, "within": 1, "at_most": 4}]
)
def test_a_claim_without_clear_bounds_is_refused(bounds):
    with pytest.raises(ValueError, match="give says= and within="):
        vc.claim("02.1", "the answer", 3, **bounds)


TABLES = sorted(path.stem for path in claims.RECORDED.glob("*.json"))


@pytest.mark.parametrize("name", TABLES)
def test_a_recorded_table_names_script_date_and_seeds(name):
    table = vc.recorded(name)
    assert (Path(__file__).parent.parent / table["script"]).exists()
    assert len(table["date"]) == len("2026-11-20")
    assert all("seed" in row for row in table["rows"])


def test_a_table_that_does_not_exist_gets_the_list():
    with pytest.raises(
        ValueError,
        match="'nothing': there are collapse, curse_table, long_vae, published, two_latents",
    ):
        vc.recorded("nothing")
