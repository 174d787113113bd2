"""Lesson 02's table: what waves bring, and what better samples bring, with two latents.

usage: python experiments/two_latents.py

The lesson's two decoders, each trained with both kinds of samples, three seeds. Exact
log p(x) by quadrature on every second test image of MNIST, Bernoulli(grey) drawn once with
key 0; nats per image.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from tables import adam, fill

import vae_course as vc

BATCH_SIZE = 1024
DECODERS = {  # hidden layers, peak of the learning rate, epochs, as in the lesson
    "plain": ((400, 400), 0.016, 18),
    "waves": ((256, 256), 0.02, 10),
}


def independent(key):
    return jax.random.normal(key, (512, 2))


def stratified(key):
    """1,024 points, one in each of 32 x 32 cells of equal mass."""
    cells = jnp.stack(jnp.meshgrid(jnp.arange(32), jnp.arange(32)), axis=-1).reshape(-1, 2)
    points = (cells + jax.random.uniform(key, cells.shape)) / 32
    return jax.scipy.special.ndtri(jnp.clip(points, 1e-6, 1 - 1e-6))


SAMPLES = {"512 independent": independent, "1024 stratified": stratified}


def measure(data, *, decoder: str, samples: str, seed: int) -> dict:
    hidden, peak, num_epochs = DECODERS[decoder]
    images = data.train_images
    shared = dict(mean_image=images.mean(axis=0), rngs=nnx.Rngs(seed))
    if decoder == "waves":
        model = vc.FourierDecoder(2, hidden, 784, scale=4.5, **shared)
    else:
        model = vc.Decoder(2, hidden, 784, **shared)

    def loss_fn(model, batch, key):
        x_key, z_key = jax.random.split(key)
        log_probs = model.decode(SAMPLES[samples](z_key)).pairwise_log_prob(
            vc.binarize(batch, x_key)
        )
        return -jnp.mean(vc.log_mean_exp(log_probs)), {}

    tx = adam(peak, len(images), BATCH_SIZE, num_epochs)
    key = jax.random.key(seed)
    vc.fit(model, loss_fn, images, key=key, num_epochs=num_epochs, batch_size=BATCH_SIZE, tx=tx)
    x = vc.binarize(data.test_images, jax.random.key(0))[::2]
    log_p = np.asarray(vc.grid_log_likelihood(model, x))
    standard_error = float(log_p.std() / np.sqrt(len(log_p)))
    return {"log_p": float(log_p.mean()), "standard_error": standard_error}


if __name__ == "__main__":
    names = ("decoder", "samples", "seed")
    settings = itertools.product(DECODERS, SAMPLES, range(3))
    rows = [dict(zip(names, setting, strict=True)) for setting in settings]
    fill("two_latents", "experiments/two_latents.py", rows, measure)
