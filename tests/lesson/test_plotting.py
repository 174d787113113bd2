"""Figures: roles, labels, gaps, alt texts; pictures are laid out as they should be."""

import base64
import io
import itertools

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import FancyBboxPatch
from PIL import Image

from vae_course.lesson import plotting
from vae_course.lesson.plotting import charts, diagrams, images, style


def drawn(plot, *args, **options):
    """The figure of a plot function, not shown."""
    with plt.rc_context(style.STYLE):
        return plot.__wrapped__(*args, **options)


def in_png(content):
    return Image.open(io.BytesIO(content))


def test_a_plot_is_shown_at_twice_its_size_with_its_alt_text_and_closed(monkeypatch):
    shown = []
    monkeypatch.setattr(style, "display", shown.append)
    options = dict(title="t", xlabel="x", ylabel="y")
    rising = {"a": plotting.line("q", [1, 2], [3, 4])}
    plotting.curves(rising, **options, alt="a line that rises")
    data, options_shown = shown[0]._repr_mimebundle_()
    metadata = options_shown["image/png"]
    picture = in_png(base64.b64decode(data["image/png"]))
    assert metadata["alt"] == data["text/plain"] == repr(shown[0]) == "a line that rises"
    assert metadata["width"] == picture.width // 2 <= 950
    assert not plt.get_fignums()
    with pytest.raises(ValueError, match="alt is empty"):
        plotting.curves(rising, **options, alt=" ")
    assert len(shown) == 1


def test_every_role_looks_different_in_colour_and_most_in_grey():
    grey = {
        name: np.dot(matplotlib.colors.to_rgb(one.color), (0.2126, 0.7152, 0.0722))
        for name, one in style.ROLES.items()
    }
    looks = {(round(grey[name], 1), one.dash, one.mark) for name, one in style.ROLES.items()}
    assert len({one.color for one in style.ROLES.values()}) == len(looks) == len(style.ROLES)


def contrast(color):
    """With white, by WCAG's definition."""
    rgb = np.array(matplotlib.colors.to_rgb(color))
    linear = np.where(rgb <= 0.03928, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return 1.05 / (linear @ (0.2126, 0.7152, 0.0722) + 0.05)


@pytest.mark.parametrize("role", style.ROLES)
def test_labels_can_be_read_on_white(role):
    assert contrast(style.ROLES[role].text) >= 4.5


def test_a_role_that_there_is_not_is_named():
    series = {"a": plotting.line("posterior", [1, 2], [3, 4])}
    with pytest.raises(ValueError, match="got 'posterior'"):
        drawn(plotting.curves, series, title="t", xlabel="x", ylabel="y")


def test_series_of_one_role_differ_and_ordered_ones_darken():
    x = [1.0, 2.0]
    series = {
        "a": plotting.line("q", x, [1, 1]),
        "b": plotting.joined("q", x, [2, 2]),
        "measured": plotting.points("q", x, [1, 1]),
        "low": plotting.line("ordered", x, [3, 3]),
        "high": plotting.line("ordered", x, [4, 4]),
    }
    looks = charts._looks(series.values())
    assert looks[0].dash != looks[1].dash
    assert looks[0].color == looks[1].color == looks[2].color == style.ROLES["q"].color
    assert looks[3].color != looks[4].color
    fig = drawn(plotting.curves, series, title="t", xlabel="x", ylabel="y")
    assert [text.get_text() for text in fig.axes[0].texts] == list(series)
    plt.close(fig)


def test_labels_stand_at_the_ends_of_lines_and_none_covers_another():
    x = np.arange(1.0, 9)
    series = {f"line {i}": plotting.line("q", x, x + 0.001 * i) for i in range(4)}
    fig = drawn(plotting.curves, series, title="t", xlabel="x", ylabel="y")
    fig.canvas.draw()
    boxes = sorted((text.get_window_extent() for text in fig.axes[0].texts), key=lambda b: b.y0)
    assert all(low.y1 <= high.y0 + 0.5 for low, high in itertools.pairwise(boxes))
    right = fig.axes[0].transData.transform((8, 8))[0]
    assert all(box.x0 > right for box in boxes)
    plt.close(fig)


def test_a_gap_is_filled_between_two_series_and_written_into():
    series = {
        "bound": plotting.joined("q", [1, 2, 4], [-5.0, -4, -3]),
        "log p(x)": plotting.level("truth", -2),
    }
    gap = ("bound", "log p(x)", {2: "2 nats"})
    fig = drawn(plotting.curves, series, gap=gap, title="t", xlabel="x", ylabel="y")
    (ax,) = fig.axes
    corners = ax.collections[-1].get_paths()[0].vertices
    assert (corners[:, 1].min(), corners[:, 1].max()) == (-5, -2)
    (text,) = (text for text in ax.texts if text.get_text() == "2 nats")
    np.testing.assert_allclose(text.get_position(), (2, -3))
    plt.close(fig)


@pytest.mark.parametrize("places", [[0, 0.1, 0.2, 9], [5, 5, 5], [3, 1, 2]])
def test_spread_out_keeps_order_and_distance(places):
    moved = style.spread_out(np.array(places, dtype=float), 1)
    order = np.argsort(places, kind="stable")
    assert (np.diff(moved[order]) >= 1 - 1e-5).all()
    assert abs(moved.mean() - np.mean(places)) < 1e-6


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
    lines = {"A": ("q", [1.0, 4.0]), "B": ("decoder", [2.0, -3.0])}
    fig = drawn(plotting.slopes, lines, "xy", title="t", ylabel="y")
    (ax,) = fig.axes
    np.testing.assert_array_equal([line.get_ydata() for line in ax.lines], [[1, 4], [2, -3]])
    assert [text.get_text() for text in ax.texts] == ["1.0", "4.0", "A", "2.0", "−3.0", "B"]
    plt.close(fig)


def test_split_and_waterfall_add_up_to_log_p():
    fig = drawn(plotting.split, {"poor": -140.0, "best": -131.5}, -130.0, title="t")
    (ax,) = fig.axes
    ends = [bar.get_x() + bar.get_width() for bar in ax.patches]
    np.testing.assert_allclose(ends, [-140, -130, -131.5, -130])
    said = [text.get_text() for text in ax.texts]
    assert said == [" ELBO −140.0", " KL 10", " ELBO −131.5", " KL 1.5", "log p(x) = −130.0"]
    rows = {"two": {"network": 5.0, "family": 0.1}, "twenty": {"network": 4.0, "family": 2.0}}
    fig = drawn(plotting.waterfall, rows, ["−143.7", "−97.8"], title="t")
    starts = [[bar.get_x() for bar in ax.patches] for ax in fig.axes]
    np.testing.assert_allclose(starts, [[-5.1, -0.1], [-6, -2]])
    plt.close("all")


def test_jensen_says_what_the_logarithm_loses():
    fig = drawn(plotting.jensen, [0.5, 2.0], title="t")
    lost = np.log(1.25) - 0.0
    assert f"{lost:.1f} nats lost" in [text.get_text() for text in fig.axes[0].texts]
    plt.close(fig)


def test_a_ridge_points_from_pictures_to_their_places_on_a_logarithmic_axis():
    shown_at = {"blank": (-94.0, np.zeros(784)), "static": (-1600.0, np.ones(784))}
    values = -100 - np.arange(50.0)
    fig = drawn(plotting.ridge, values, shown_at, title="t", xlabel="x")
    above, ax = fig.axes[:2]
    assert sorted(arrow.xy[0] for arrow in ax.texts) == [94, 1600]
    assert sum(bar.get_height() for bar in ax.patches) == 50
    assert [text.get_text() for text in above.texts] == list(shown_at)
    plt.close(fig)


def test_the_needle_names_what_the_best_draws_carry():
    nodes = np.linspace(-4, 4, 81)
    points = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 2)
    log_probs = -200 * np.square(points - 1).sum(axis=1)[:, None]
    z = np.array([[1.0, 1.05], [0.9, 1.0], [-2.0, 0.0]])
    shares = np.array([[0.75], [0.25], [0.0]])
    fig = drawn(
        plotting.needle,
        np.zeros((1, 784)),
        z,
        shares,
        log_probs,
        points,
        decode=lambda z: np.zeros((len(z), 784)),
        title="t",
    )
    plane, spot, bars = fig.axes[:3]
    assert {text.get_text() for text in spot.texts} == {"25%", "75%"}
    assert spot.get_xlim()[0] > 0.5
    assert plane.get_xlim() == (-4, 4)
    assert [bar.get_height() for bar in bars.patches] == [0.75, 0.25, 0]
    plt.close(fig)


def test_a_film_plays_once_and_its_poster_is_the_last_map(monkeypatch):
    shown = []
    monkeypatch.setattr(images, "show_png", lambda content, **options: shown.append(content))
    ink = np.linspace(0, 1, 36 * 784).reshape(36, 784)
    frames = {"epoch 0": (0 * ink, -206.0), "epoch 1": (ink, -150.0)}
    plotting.map_film(frames, title="t", alt="two maps")
    film = in_png(shown[0])
    assert film.n_frames == 3
    assert film.info["loop"] == 1
    poster = np.asarray(film.convert("L"), dtype=int)
    film.seek(2)
    assert np.abs(poster - np.asarray(film.convert("L"), dtype=int)).max() < 40
    film.seek(1)
    assert np.abs(poster - np.asarray(film.convert("L"), dtype=int)).max() > 100


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


def test_a_posterior_too_small_to_see_is_magnified_away_from_where_it_is():
    panels, points = a_posterior(np.random.default_rng(0))
    needle = np.where(np.arange(81) == 30, 0.0, -1e9)  # all the mass on one node, lower left
    panels["b"] = needle, np.zeros((1, 2))
    fig = drawn(plotting.posterior_panels, panels, points, title="t")
    wide, small = fig.axes[:2]
    assert not wide.child_axes
    (inset,) = (child for child in small.child_axes if child.images)
    assert inset.get_xlim()[0] < points[30, 0] < inset.get_xlim()[1]
    assert inset.get_ylim()[0] < points[30, 1] < inset.get_ylim()[1]
    plt.close(fig)


def test_contours_hold_39_and_86_percent_of_a_q():
    panels, points = a_posterior(np.random.default_rng(0))
    log_probs, _ = panels["a"]

    def log_q(z):  # standard deviations 0.5 and 1
        return -0.5 * np.square(z / [0.5, 1.0]).sum(axis=1) - np.log(2 * np.pi * 0.5)

    fig = drawn(plotting.posterior_panels, {"a": (log_probs, log_q)}, points, title="t")
    (contours,) = (c for c in fig.axes[0].collections if hasattr(c, "levels"))
    reach = sorted(tuple(np.abs(p.vertices).max(axis=0)) for p in contours.get_paths())
    np.testing.assert_allclose(reach, [[0.5, 1], [1, 2]], atol=0.05)
    plt.close(fig)


def test_a_short_logarithmic_axis_can_have_numbers_of_its_own():
    series = {"a": plotting.joined("q", [2, 50], [0, 1])}
    fig = drawn(plotting.curves, series, title="t", xlabel="x", ylabel="y", xticks=[2, 5, 50])
    labels = [label.get_text() for label in fig.axes[0].get_xticklabels()]
    assert labels == ["2", "5", "50"]
    plt.close(fig)


def test_the_other_figures_draw():
    rng = np.random.default_rng(0)
    digits = rng.random((4, 784))
    z = rng.normal(size=(9, 2))
    line = np.linspace(-2, 2, 9)
    density = {"slope 2": np.ones(9), "a coin flip": np.ones(9)}
    for fig in (
        drawn(diagrams.plate_diagram),
        drawn(diagrams.plate_diagram, image=digits[0]),
        drawn(diagrams.sampling_graphs),
        drawn(diagrams.vae_diagrams),
        drawn(plotting.map_panels, {"a": lambda z: z, "b": np.tanh}, z, title="t", columns=2),
        drawn(plotting.push_forward, {"slope 2": line}, line, density, line, title="t"),
        drawn(plotting.ledger, {"a": -200.0, "b": -130.0}, new=["b"], title="t"),
        drawn(plotting.image_panels, {"a": digits, "b": digits}, title="t", columns=2),
        drawn(plotting.posterior_panels, *a_posterior(rng), title="t", images=digits[:1]),
        drawn(plotting.latent_map, digits, rng.random((4, 2)), digits, title="t"),
        drawn(plotting.code_panels, {"a": rng.random((10, 2))}, np.arange(10), title="t", end=2),
    ):
        fig.canvas.draw()
        plt.close(fig)
