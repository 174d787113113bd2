"""Figures in one style: NumPy in, matplotlib figure out. `show` displays with alt text."""

from vae_course.plotting.charts import curves, dots
from vae_course.plotting.images import film_strip, image_panels, tile
from vae_course.plotting.latents import (
    code_panels,
    latent_map,
    posterior_panels,
    responsibilities,
    scatter_panels,
)
from vae_course.plotting.style import BLUE, COLORS, GREEN, ORANGE, PINK, SKY, STYLE, show

__all__ = [
    "BLUE",
    "COLORS",
    "GREEN",
    "ORANGE",
    "PINK",
    "SKY",
    "STYLE",
    "code_panels",
    "curves",
    "dots",
    "film_strip",
    "image_panels",
    "latent_map",
    "posterior_panels",
    "responsibilities",
    "scatter_panels",
    "show",
    "tile",
]
