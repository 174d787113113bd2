"""Lesson 08's table: the lesson's VAE, and a larger one that trains for minutes.

All 10,000 test images of MNIST, Bernoulli(grey) drawn once with key 0; training images are
drawn again at every visit. elbo by one sample an image, L_1000; nats per image.
"""

import time

import jax
import numpy as np
import optax
from flax import nnx
from tables import adam, fill, vae_loss

import vae_course as vc

SETTINGS = [
    dict(latent_dim=20, hidden=[400], batch_size=128, epochs=10, learning_rate="1e-3", seed=0),
    dict(
        latent_dim=50,
        hidden=[500, 500],
        batch_size=500,
        epochs=120,
        learning_rate="4e-3, cosine",
        seed=0,
    ),
]


def main() -> None:
    fill("long_vae", "experiments/long_vae.py", SETTINGS, measure)


def measure(data, *, latent_dim, hidden, batch_size, epochs, learning_rate, seed) -> dict:
    """Trains one model and measures it on the test images."""
    fit_key, elbo_key, bound_key = jax.random.split(jax.random.key(seed), 3)
    images = data.train_images
    vae = vc.VAE(latent_dim, hidden, 784, mean_image=images.mean(axis=0), rngs=nnx.Rngs(seed))
    tx = (
        optax.adam(1e-3)
        if learning_rate == "1e-3"
        else adam(0.004, len(images), batch_size, epochs)
    )
    start = time.perf_counter()
    history = vc.fit(
        vae, vae_loss, images, key=fit_key, num_epochs=epochs, batch_size=batch_size, tx=tx
    )
    seconds = time.perf_counter() - start
    x = vc.binarize(data.test_images, jax.random.key(0))
    q = vae.encode(x)
    elbo = vc.elbo(vae, q, x, elbo_key)
    bound = vc.evaluate(vae, q, x, bound_key, num_samples=1000)
    return {
        "training_elbo": -float(history["loss"][-1]),
        "elbo": float(np.mean(elbo)),
        "rate": float(vc.kl_divergence(q, vc.prior_of(vae)).mean()),
        "log_p": bound.mean,
        "standard_error": bound.standard_error,
        "active_units": int(vc.active_units(q).sum()),
        "seconds": round(seconds),
    }


if __name__ == "__main__":
    main()
