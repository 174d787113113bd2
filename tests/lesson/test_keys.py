"""Keys by name: the same name, the same key; another name, another; one variable moves them all."""

import jax
import numpy as np
import pytest
from flax import nnx

from vae_course import lesson


def data(key):
    return jax.random.key_data(key).tolist()


def test_a_name_is_a_key_whatever_was_drawn_before(monkeypatch):
    monkeypatch.delenv("VAE_COURSE_SEED", raising=False)
    keys = lesson.keys(8)
    keys("another")
    assert data(keys("train")) == data(lesson.keys(8)("train"))
    names = ["train", "test pixels", "train ", "Train", "weights", "weights, k = 1", "ä"]
    every = [data(lesson.keys(seed)(name)) for seed in (0, 8) for name in names]
    assert len({tuple(one) for one in every}) == len(every)


def test_draws_of_two_names_are_independent():
    keys = lesson.keys(0)
    one, other = (jax.random.normal(keys(name), (20_000,)) for name in ("a", "b"))
    assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(20_000)


def test_one_variable_moves_draws_and_weights_together(monkeypatch):
    def drawn():
        keys = lesson.keys(1)
        kernel = nnx.Linear(2, 2, rngs=nnx.Rngs(keys("weights"))).kernel[...]
        return data(keys("train")), np.asarray(kernel).tolist()

    monkeypatch.setenv("VAE_COURSE_SEED", "0")
    before = drawn()
    monkeypatch.delenv("VAE_COURSE_SEED")
    assert drawn() == before
    monkeypatch.setenv("VAE_COURSE_SEED", "1")
    assert drawn()[0] != before[0]
    assert drawn()[1] != before[1]
    monkeypatch.setenv("VAE_COURSE_SEED", "2")
    assert drawn()[0] not in (before[0],)


@pytest.mark.parametrize("bad", ["", "one", "-1", "1.5"])
def test_a_seed_that_is_no_number_is_named(monkeypatch, bad):
    monkeypatch.setenv("VAE_COURSE_SEED", bad)
    with pytest.raises(ValueError, match=f"VAE_COURSE_SEED must be an integer.*'{bad}'"):
        lesson.keys(0)


def test_a_key_without_a_name_is_refused():
    with pytest.raises(TypeError, match=r'keys\("train"\), got 3'):
        lesson.keys(0)(3)
