"""Every test runs with keys that may be used only once and with no silent broadcasting."""

import os

os.environ.setdefault("TQDM_DISABLE", "1")

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
import pytest

mpl.use("agg")
jax.config.update("jax_debug_key_reuse", True)
jax.config.update("jax_numpy_rank_promotion", "raise")


import vae_course as vc  # noqa: E402


@pytest.fixture
def linear_gaussian():
    """(seed, data_dim, latent_dim, noise_var) -> a random model and seven points drawn from it."""

    def make(seed, data_dim, latent_dim, noise_var=0.5):
        rng = np.random.default_rng(seed)
        weights = rng.normal(size=(data_dim, latent_dim)).astype(np.float32)
        bias = rng.normal(size=data_dim).astype(np.float32)
        model = vc.LinearGaussian(jnp.array(weights), jnp.array(bias), jnp.float32(noise_var))
        z = rng.normal(size=(7, latent_dim))
        noise = np.sqrt(noise_var) * rng.normal(size=(7, data_dim))
        return model, jnp.array(z @ weights.T + bias + noise, dtype=jnp.float32)

    return make
