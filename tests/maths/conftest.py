"""A model with exact answers, for all tests of the mathematics."""

import jax.numpy as jnp
import numpy as np
import pytest

import vae_course as vc


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
