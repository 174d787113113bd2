"""Figures in one style: arrays in, a figure shown, with `alt=` for those who cannot see it."""

from vae_course.lesson.plotting.charts import curves, dots, prices, slopes
from vae_course.lesson.plotting.diagrams import (
    argument_map,
    plate_diagram,
    sampling_graphs,
    vae_diagrams,
)
from vae_course.lesson.plotting.images import film_strip, image_panels, tile
from vae_course.lesson.plotting.latents import (
    code_panels,
    latent_map,
    posterior_panels,
    responsibilities,
    scatter_panels,
)
from vae_course.lesson.plotting.style import BLUE, COLORS, GREEN, ORANGE, PINK, SKY, STYLE, show

__all__ = [
    "BLUE",
    "COLORS",
    "GREEN",
    "ORANGE",
    "PINK",
    "SKY",
    "STYLE",
    "argument_map",
    "code_panels",
    "curves",
    "dots",
    "film_strip",
    "image_panels",
    "latent_map",
    "plate_diagram",
    "posterior_panels",
    "prices",
    "responsibilities",
    "sampling_graphs",
    "scatter_panels",
    "show",
    "slopes",
    "tile",
    "vae_diagrams",
]
