"""Two small models that come with the course, trained on MNIST; their cards stand in README.md.

`experiments/trained.py` makes them again. Both have two latents, so that log p(x) is exact.
"""

from pathlib import Path

from vae_course.models import VAE, Decoder
from vae_course.saving import load_model

FOLDER = Path(__file__).parent
SIZES = 2, (200, 200), 784


def generator() -> Decoder:
    """p(x | z), 2-200-200-784, trained by samples from the prior: no encoder, no bound."""
    return load_model(FOLDER / "generator.npz", Decoder(*SIZES, rngs=0))


def vae() -> VAE:
    """784-200-200-2-200-200-784, trained with the ELBO."""
    return load_model(FOLDER / "vae.npz", VAE(*SIZES, rngs=0))
