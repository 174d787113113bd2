"""Shapes, the starting bias, and models that work inside compiled code."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
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


def test_the_encoder_sees_pixels_from_minus_one_to_one():
    encoder = vc.Encoder(4, (), 2, rngs=nnx.Rngs(0))
    x = jnp.array([[0.0, 0.5, 1.0, 1.0]])
    layer = encoder.mlp.layers[0]
    expected = np.array([[-1.0, 0.0, 1.0, 1.0]]) @ np.asarray(layer.kernel[...])
    q = encoder.encode(x)
    np.testing.assert_allclose(np.concatenate([q.mean, q.log_var], axis=1), expected, atol=1e-6)


def test_a_vae_trained_by_its_elbo_comes_close_to_its_exact_log_p_from_below():
    """Two noisy patterns: the best log p(x) is log 1/2 plus the entropy of the noise."""
    flip = 0.1
    pattern = jnp.where(jax.random.bernoulli(jax.random.key(0), shape=(400, 1)), 1 - flip, flip)
    x = vc.binarize(jnp.broadcast_to(pattern, (400, 16)), jax.random.key(1))
    vae = vc.VAE(2, (32,), 16, mean_image=x.mean(axis=0), rngs=nnx.Rngs(0))
    assert isinstance(vae.encode(x), vc.Gaussian)

    def loss_fn(model, batch, key):
        q = model.encode(batch)
        return -jnp.mean(vc.elbo(model, q, batch, key, analytic_kl=False)), {}

    vc.fit(
        vae, loss_fn, x, key=jax.random.key(2), num_epochs=100, batch_size=100, tx=optax.adam(0.005)
    )
    bound = float(vc.elbo(vae, vae.encode(x), x, jax.random.key(3), num_samples=200).mean())
    exact = float(vc.grid_log_likelihood(vae, x).mean())
    best = np.log(0.5) + 16 * (flip * np.log(flip) + (1 - flip) * np.log(1 - flip))
    assert bound < exact < bound + 1
    assert exact > best - 1
