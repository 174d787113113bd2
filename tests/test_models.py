"""Shapes, the starting bias, and models that work inside compiled code."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import vae_course as vc


@pytest.mark.parametrize("make", [vc.Decoder, vc.FourierDecoder])
@pytest.mark.parametrize("leading", [(), (5,), (2, 5)])
def test_decoders_map_z_to_pixels(make, leading):
    decoder = make(3, (8, 6), 12, rngs=nnx.Rngs(0))
    p = nnx.jit(lambda model, z: model.decode(z))(decoder, jnp.zeros((*leading, 3)))
    assert p.logits.shape == (*leading, 12)
    assert decoder.latent_dim == 3


@pytest.mark.parametrize("make", [vc.Decoder, vc.FourierDecoder])
def test_the_output_bias_starts_at_the_logit_of_the_mean_image(make):
    mean = jnp.array([0.0, 0.25, 0.5, 1.0])
    decoder = make(2, (3,), 4, mean_image=mean, rngs=nnx.Rngs(0))
    np.testing.assert_allclose(
        jax.nn.sigmoid(decoder.mlp.layers[-1].bias[...]), [0.001, 0.25, 0.5, 0.999], rtol=1e-4
    )


@pytest.mark.parametrize(
    "mean", [jnp.full(4, 1.5), jnp.full(4, -0.1), jnp.zeros(5), jnp.full(4, jnp.nan)]
)
def test_a_wrong_mean_image_is_refused(mean):
    with pytest.raises(ValueError, match=r"mean_image must have shape \(4,\)"):
        vc.Decoder(2, (3,), 4, mean_image=mean, rngs=nnx.Rngs(0))


def test_the_fourier_decoder_is_its_definition():
    decoder = vc.FourierDecoder(2, (), 3, num_frequencies=4, scale=2.0, rngs=nnx.Rngs(1))
    z = np.random.default_rng(0).normal(size=(6, 2))
    from scipy.stats import norm

    u = 2 * norm.cdf(z) - 1
    waves = u @ np.asarray(decoder.frequencies[...])
    features = np.concatenate([u, np.sin(waves), np.cos(waves)], axis=1)
    last = decoder.mlp.layers[-1]
    expected = features @ np.asarray(last.kernel[...]) + np.asarray(last.bias[...])
    np.testing.assert_allclose(
        decoder.decode(jnp.array(z, dtype=jnp.float32)).logits, expected, atol=1e-5
    )
