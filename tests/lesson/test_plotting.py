"""`show` puts the alt text where readers' tools look; pictures are laid out as they should be."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import FancyBboxPatch

from vae_course.lesson import plotting
from vae_course.lesson.plotting import diagrams, style


def drawn(plot, *args, **options):
    """The figure of a plot function, not shown."""
    return plot.__wrapped__(*args, **options)


def test_a_plot_is_shown_with_its_alt_text_and_closed(monkeypatch):
    shown = []
    monkeypatch.setattr(style, "display", lambda fig, metadata: shown.append((fig, metadata)))
    options = dict(title="t", xlabel="x", ylabel="y")
    plotting.curves({"a": ([1, 2], [3, 4])}, **options, alt="a line that rises")
    ((fig, metadata),) = shown
    assert metadata == {"image/png": {"alt": "a line that rises"}}
    assert not plt.fignum_exists(fig.number)
    with pytest.raises(ValueError, match="alt is empty"):
        plotting.curves({"a": ([1, 2], [3, 4])}, **options, alt=" ")
    assert len(shown) == 1


def test_every_curve_is_drawn_however_many_there_are():
    series = {str(number): ([1, 2], [number, number]) for number in range(9)}
    fig = drawn(plotting.curves, series, title="t", xlabel="x", ylabel="y")
    (ax,) = fig.axes
    assert ax.get_legend_handles_labels()[1] == list(series)
    looks = {(bar.lines[0].get_marker(), bar.lines[0].get_linestyle()) for bar in ax.containers}
    assert len(looks) == 9


def test_tile_puts_images_row_by_row_with_a_gap():
    images = np.stack([np.full(784, value) for value in (0.25, 0.5, 1.0)])
    picture = plotting.tile(images, columns=2)
    assert picture.shape == (60, 60)
    assert (picture[1:29, 31:59] == 0.5).all()
    assert (picture[31:59, 1:29] == 1.0).all()
    assert (picture[30:, 30:] == 0).all()


def test_images_of_any_square_size_are_tiled_and_labelled_in_the_middle_of_their_row():
    fig = drawn(
        plotting.film_strip, {"first": np.zeros((3, 64)), "second": np.ones((3, 64))}, title="t"
    )
    (ax,) = fig.axes
    assert np.asarray(ax.images[0].get_array()).shape == (20, 30)
    np.testing.assert_allclose(ax.get_yticks(), [5, 15])


def test_prices_says_the_mean_of_each_price_and_which_way_a_number_moved():
    lost = {"room": ([3.0, 5.0], [0.0, -0.2])}
    fig = drawn(plotting.prices, lost, {"up": 12.0, "down": -7.0}, title="t")
    above, below = fig.axes
    assert [text.get_text() for text in above.texts] == ["4", "0"]
    assert [text.get_text() for text in below.texts] == ["+12", "−7"]
    assert [label.get_text() for label in below.get_yticklabels()] == ["up", "down"]


def test_slopes_draws_a_line_for_each_model_with_its_values():
    fig = drawn(plotting.slopes, {"A": [1.0, 4.0], "B": [2.0, -3.0]}, "xy", title="t", ylabel="y")
    (ax,) = fig.axes
    np.testing.assert_array_equal([line.get_ydata() for line in ax.lines], [[1, 4], [2, -3]])
    assert [text.get_text() for text in ax.texts] == ["1.0", "4.0", "A", "2.0", "−3.0", "B"]


def test_dots_has_a_row_for_each_label_the_first_on_top_and_a_dot_for_each_value():
    fig = drawn(plotting.dots, {"a": [1.0, 2.0], "b": [3.0]}, title="t", xlabel="x")
    (ax,) = fig.axes
    points = [(line.get_xdata(), line.get_ydata()) for line in ax.lines]
    assert [list(x) for x, _ in points] == [[1.0, 2.0], [3.0]]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert ax.yaxis_inverted()
    assert list(points[1][1]) == [1]


def test_a_film_strip_has_one_row_a_frame_in_order():
    frames = {"first": np.zeros((3, 784)), "second": np.ones((3, 784))}
    fig = drawn(plotting.film_strip, frames, title="t")
    (ax,) = fig.axes
    picture = np.asarray(ax.images[0].get_array())
    assert picture.shape == (60, 90)
    assert picture[:30].min() == 1  # white: no ink
    assert picture[31:59, 1:29].max() == 0
    assert [label.get_text() for label in ax.get_yticklabels()] == ["first", "second"]
    plt.close(fig)


def test_the_map_names_every_step_and_no_text_leaves_its_box():
    fig = drawn(diagrams.argument_map)
    fig.canvas.draw()
    (ax,) = fig.axes
    texts = {text.get_text(): text.get_window_extent() for text in ax.texts}
    boxes = [p.get_window_extent() for p in ax.patches if isinstance(p, FancyBboxPatch)]
    for lesson, step, fork, problem in diagrams.ARGUMENT:
        assert lesson in texts
        assert problem in [*texts, ""]
        for boxed in filter(None, (step, fork)):
            extent = texts[boxed]
            assert any(b.x0 < extent.x0 and extent.x1 < b.x1 for b in boxes), boxed
    plt.close(fig)


def a_posterior(rng):
    """One panel and the nodes of a grid of 9 by 9."""
    axis = np.linspace(-3, 3, 9)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    probs = rng.dirichlet(np.ones(81))
    return {"a": (np.log(probs), rng.normal(size=(5, 2)))}, points


def test_a_posterior_too_small_to_see_gets_a_ring_around_its_mean():
    panels, points = a_posterior(np.random.default_rng(0))
    needle = np.where(np.arange(81) == 30, 0.0, -1e9)  # all the mass on one node
    fig = drawn(
        plotting.posterior_panels, panels | {"b": (needle, np.zeros((1, 2)))}, points, title="t"
    )
    wide, small = fig.axes
    assert not wide.lines
    (ring,) = small.lines
    assert np.allclose(np.ravel(ring.get_data()), points[30])
    plt.close(fig)


def test_a_short_logarithmic_axis_can_have_numbers_of_its_own():
    fig = drawn(
        plotting.curves,
        {"a": ([2, 50], [0, 1])},
        title="t",
        xlabel="x",
        ylabel="y",
        xticks=[2, 5, 50],
    )
    labels = [label.get_text() for label in fig.axes[0].get_xticklabels()]
    assert labels == ["2", "5", "50"]
    plt.close(fig)


def test_the_other_figures_draw():
    rng = np.random.default_rng(0)
    images = rng.random((4, 784))
    clouds = rng.normal(size=(2, 9, 2))
    for fig in (
        drawn(diagrams.plate_diagram),
        drawn(diagrams.sampling_graphs),
        drawn(plotting.scatter_panels, {"a": clouds, "b": clouds}, title="t", columns=2),
        drawn(plotting.image_panels, {"a": images, "b": images}, title="t", columns=2),
        drawn(
            plotting.responsibilities,
            images,
            rng.normal(size=(9, 2)),
            np.full((9, 4), 1 / 9),
            title="t",
        ),
        drawn(plotting.posterior_panels, *a_posterior(rng), title="t", images=images[:1]),
        drawn(plotting.latent_map, images, rng.random((10, 2)), np.arange(10), title="t"),
        drawn(plotting.code_panels, {"a": rng.random((10, 2))}, np.arange(10), title="t", end=2),
    ):
        fig.canvas.draw()
        plt.close(fig)
