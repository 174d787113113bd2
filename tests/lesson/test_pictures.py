"""Pictures of any shape and colour, and consoles that know few letters."""

import io
import sys

import numpy as np
import pytest

from vae_course import lesson
from vae_course.lesson import plotting
from vae_course.lesson.console import say
from vae_course.lesson.plotting.images import pictures, tile

SHAPES = [
    ((5, 784), (28, 28)),
    ((5, 6), None),
    ((5, 12), (2, 2, 3)),
    ((5, 7, 9), (7, 9)),
    ((5, 7, 9, 1), (7, 9)),
    ((5, 7, 9, 3), (7, 9, 3)),
    ((5, 7, 9, 2), None),
    ((0, 784), None),
    ((784,), None),
]


@pytest.mark.parametrize(("shape", "expected"), SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_images_of_many_shapes_are_taken_and_others_named(shape, expected, dtype):
    images = np.ones(shape, dtype) * (255 if dtype == np.uint8 else 1)
    if expected is None:
        with pytest.raises(ValueError, match=r"images must have shape \(n, height, width\)"):
            pictures(images)
        return
    found = pictures(images)
    assert found.shape == (5, *expected)
    assert found.max() == 1
    height, width, *colors = expected
    assert tile(images, 2).shape == (3 * (height + 2), 2 * (width + 2), *colors)


def test_images_that_are_no_brightness_are_named():
    with pytest.raises(ValueError, match="divide bytes by 255"):
        pictures(np.full((2, 4), 255.0))
    with pytest.raises(ValueError, match="images is nan in row 1, column 2"):
        pictures(np.array([[0, 0, 0, 0], [0, 0, np.nan, 0]]))


@pytest.mark.parametrize("shape", [(4, 784), (4, 8, 12), (4, 8, 12, 3), (4, 27)])
def test_every_figure_of_images_takes_them(shape, capsys):
    images = np.random.default_rng(0).random(shape)
    alt = "Four images drawn at random, side by side."
    plotting.image_panels({"a": images, "b": images[:2]}, columns=2, title="A", alt=alt)
    plotting.film_strip({"a": images, "b": images}, title="A", alt=alt)
    places = np.random.default_rng(1).random((3, 2))
    plotting.latent_map(images, places, images[:3], title="A", alt=alt)
    axis = np.linspace(-2, 2, 5)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    panels = {name: (np.full(25, np.log(1 / 25)), places) for name in "abcd"}
    plotting.posterior_panels(panels, points, images=images, title="A", alt=alt)


def test_a_console_without_utf_8_is_printed_on(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="cp1252"))
    say("✓ 02.4 log p(x) −128.4 ± 2, KL(q ‖ p), σ²")
    lesson.claims(("02.4", "log p(x) ‖ −", 1.0, "1 ± 0.5"))
    sys.stdout.flush()
    text = raw.getvalue().decode("cp1252")
    assert "+ 02.4 log p(x) -128.4 ~ 2" in text
    assert text.count("02.4") == 2
