"""`show` puts the alt text where readers' tools look, and leaves no figure open."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

import vae_course as vc
from vae_course import plotting


def test_show_carries_alt_text_and_closes_the_figure(monkeypatch):
    shown = []
    monkeypatch.setattr(plotting, "display", lambda fig, metadata: shown.append(metadata))
    fig = plotting.curves({"a": ([1, 2], [3, 4])}, title="t", xlabel="x", ylabel="y")
    vc.show(fig, alt="a line that rises")
    assert shown == [{"image/png": {"alt": "a line that rises"}}]
    assert not plt.fignum_exists(fig.number)
    with pytest.raises(ValueError, match="alt is empty"):
        vc.show(fig, alt=" ")


def test_tile_puts_images_row_by_row_with_a_gap():
    images = np.stack([np.full(784, value) for value in (0.25, 0.5, 1.0)])
    picture = plotting.tile(images, columns=2)
    assert picture.shape == (60, 60)
    assert (picture[1:29, 31:59] == 0.5).all()
    assert (picture[31:59, 1:29] == 1.0).all()
    assert (picture[30:, 30:] == 0).all()


def test_the_other_figures_draw():
    rng = np.random.default_rng(0)
    images = rng.random((4, 784))
    for fig in (
        plotting.image_panels({"a": images, "b": images}, title="t", columns=2),
        plotting.responsibilities(
            images, rng.normal(size=(9, 2)), np.full((9, 4), 1 / 9), title="t"
        ),
        plotting.latent_map(images, rng.random((10, 2)), np.arange(10), title="t"),
    ):
        fig.canvas.draw()
        plt.close(fig)
