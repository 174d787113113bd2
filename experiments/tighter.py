"""Lesson 14's table: VAEs trained with L_k, and the ELBO for as long.

14 x 14 MNIST (means of 2 x 2 pixels), every second training image, pixels drawn again at every
visit; 50 latents, 200 hidden units. Eight passes with k = 1, 5 and 20; and 76 passes with k = 1,
which take as long as eight with k = 20. Measured on all 10,000 test images, Bernoulli(grey)
drawn once with key 0; L_500, nats per image.
"""

import jax
import jax.numpy as jnp
import numpy as np
from collapse import quarter
from flax import nnx
from resumable import clocks
from tables import adam, fill

import vae_course as vc

BATCH_SIZE = 256
SETTINGS = [
    dict(k=k, passes=passes, seed=seed)
    for seed in (0, 1, 2)
    for k, passes in ((1, 8), (5, 8), (20, 8), (1, 76))
]


def loss_of(k):
    def loss_fn(vae, images, key):
        x_key, z_key = jax.random.split(key)
        x = vc.binarize(images, x_key)
        return -jnp.mean(vc.iwae(vae, vae.encode(x), x, z_key, num_samples=k)), {}

    return loss_fn


def measure(data, *, k, passes, seed) -> dict:
    """Trains one VAE and measures it."""
    images = quarter(data.train_images[::2])
    fit_key, bound_key, elbo_key = jax.random.split(jax.random.key(seed), 3)
    vae = vc.VAE(50, (200,), 196, mean_image=images.mean(axis=0), rngs=nnx.Rngs(seed))
    tx, start = adam(0.003, len(images), BATCH_SIZE, passes), clocks()
    options = dict(num_epochs=passes, batch_size=BATCH_SIZE, tx=tx)
    vc.fit(vae, loss_of(k), images, key=fit_key, **options)
    seconds, core_seconds = (clocks() - start).round(1).tolist()
    x = vc.binarize(quarter(data.test_images), jax.random.key(0))
    q = vae.encode(x)
    bound = vc.evaluate(vae, q, x, bound_key, num_samples=500)
    return {
        "log_p": bound.mean,
        "standard_error": bound.standard_error,
        "elbo": float(np.mean(vc.elbo(vae, q, x, elbo_key, num_samples=8))),
        "active_units": int(vc.active_units(q).sum()),
        "seconds": seconds,
        "core_seconds": core_seconds,
    }


def main() -> None:
    fill("tighter", "experiments/tighter.py", SETTINGS, measure)


if __name__ == "__main__":
    main()
