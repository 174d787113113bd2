"""The scripts behind the recorded tables: a gradient, and runs that are interrupted."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import published
import pytest
import resumable
from flax import nnx

import vae_course as vc


def small_vae():
    return vc.VAE(2, (4,), 6, rngs=nnx.Rngs(0))


def gradients(loss, images, keys):
    """Of every parameter, by each key: (len(keys), num_params)."""
    graphdef, params = nnx.split(small_vae())

    def gradient(key, images):
        grads = jax.grad(lambda p: loss(nnx.merge(graphdef, p), images, key)[0])(params)
        return jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(grads)])

    return np.asarray(jax.jit(jax.vmap(gradient, in_axes=(0, None)))(keys, images))


def test_the_resampled_gradient_has_the_mean_of_the_plain_one():
    def plain(vae, images, key):
        log_w = vc.log_weights(vae, vae.encode(images), images, key, num_samples=5)
        return -jnp.mean(vc.log_mean_exp(log_w)), {}

    images = jax.random.bernoulli(jax.random.key(1), 0.5, (3, 6)).astype(jnp.float32)
    keys = jax.random.split(jax.random.key(2), (2, 20_000))
    expected = gradients(plain, images, keys[0])
    found = gradients(published.bound_loss(5, 2), images, keys[1])
    error = np.sqrt((expected.var(axis=0) + found.var(axis=0)) / 20_000)
    off = (found.mean(axis=0) - expected.mean(axis=0))[error > 0] / error[error > 0]
    assert len(off) > 50
    assert np.abs(off).max() < 4.5
    assert np.mean(off**2) < 1.6


def test_training_that_was_interrupted_ends_as_if_it_had_not_been(tmp_path, monkeypatch):
    monkeypatch.setattr(resumable.RunFolder, "_is_due", lambda disk: True)
    images = jax.random.bernoulli(jax.random.key(1), 0.5, (32, 6)).astype(jnp.float32)
    losses, tx = [published.vae_loss] * 2 + [published.bound_loss(5, 2)] * 2, optax.adam(0.01)

    def train(vae, path, losses=losses):
        key = jax.random.key(3)
        return resumable.train_in_pieces(vae, losses, images, key, tx, 8, tmp_path / path)

    whole, halved = small_vae(), small_vae()
    train(whole, "whole")

    def broken(vae, images, key):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(small_vae(), "halved", [*losses[:3], broken])
    spent, loss = train(halved, "halved")
    assert np.isfinite(loss)
    assert set(spent) == {"seconds", "core_seconds"}
    jax.tree.map(
        np.testing.assert_array_equal, *(nnx.state(vae, nnx.Param) for vae in (whole, halved))
    )


def test_measuring_keeps_each_piece(tmp_path):
    seen = []

    def bound(x, key):
        seen.append(len(x))
        if len(seen) == 2:
            raise KeyboardInterrupt
        return x.sum(axis=1)

    x, path = np.ones((6, 3)), tmp_path / "bound.npy"
    with pytest.raises(KeyboardInterrupt):
        resumable.measure_in_pieces(bound, x, jax.random.key(0), path, size=2)
    values = resumable.measure_in_pieces(bound, x, jax.random.key(0), path, size=2)
    np.testing.assert_array_equal(values, 3.0)
    assert seen == [2, 2, 2, 2]  # the first piece was not measured again
