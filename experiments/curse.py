"""Lesson 03's table: prior sampling over latent dimensions, beside a VAE of the same decoder.

usage: python experiments/curse.py --seeds 0 1 2 --samples 64 512 --epochs 40

All 10,000 test images of MNIST, Bernoulli(grey) drawn once with key 0; nats per image.
log_p is the best of several lower bounds on the held-out log p(x): prior Monte Carlo, and
L_k with the model's encoder, or with one fitted afterwards to a decoder trained without.
"""

import argparse
import itertools
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from tables import adam, fill

import vae_course as vc

LATENT_DIMS = (2, 5, 10, 20, 50)
HIDDEN, BATCH_SIZE = (400, 400), 1024
ENCODER_EPOCHS = 15
PRIOR_SAMPLES = 2**17
LARGEST_K = 512
CONVERGED = 0.2  # nats: samples are doubled until the bound rises by less


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--samples", type=int, nargs="+", default=[64, 512])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--latent-dims", type=int, nargs="+", default=LATENT_DIMS)
    arguments = parser.parse_args()
    methods = [("prior", n) for n in arguments.samples] + [("vae", 1)]
    settings = [
        dict(
            method=method, latent_dim=latent_dim, num_samples=n, seed=seed, epochs=arguments.epochs
        )
        for seed, latent_dim, (method, n) in itertools.product(
            arguments.seeds, arguments.latent_dims, methods
        )
    ]
    fill("curse_table", "experiments/curse.py", settings, measure)


def measure(data, *, method, latent_dim, num_samples, seed, epochs) -> dict:
    """Trains one model to the end and measures it."""
    start = time.perf_counter()
    fit_key, encoder_key, test_key = jax.random.split(jax.random.key(seed), 3)
    test_x = vc.binarize(data.test_images, jax.random.key(0))
    mean_image = data.train_images.mean(axis=0)
    vae = vc.VAE(latent_dim, HIDDEN, 784, mean_image=mean_image, rngs=nnx.Rngs(seed))
    images = data.train_images
    fit = dict(data=images, batch_size=BATCH_SIZE)
    if method == "vae":
        tx = adam(0.004, len(images), BATCH_SIZE, epochs)
        history = vc.fit(vae, vae_loss, key=fit_key, num_epochs=epochs, tx=tx, **fit)
    else:
        loss_fn = prior_loss(num_samples)
        tx = adam(0.016, len(images), BATCH_SIZE, epochs)
        history = vc.fit(vae.decoder, loss_fn, key=fit_key, num_epochs=epochs, tx=tx, **fit)
        tx = encoder_only(adam(0.002, len(images), BATCH_SIZE, ENCODER_EPOCHS))
        vc.fit(vae, vae_loss, key=encoder_key, num_epochs=ENCODER_EPOCHS, tx=tx, **fit)
    return {
        "training_bound": -float(history["loss"][-1]),
        "curve": [round(-float(loss), 2) for loss in history["loss"]],
        **held_out(vae, test_x, test_key),
        "seconds": round(time.perf_counter() - start),
    }


def encoder_only(tx):
    """`tx` for the encoder's weights; the decoder stays as it is."""

    def labels(params):
        def label(path, _):
            return "train" if "encoder" in jax.tree_util.keystr(path) else "keep"

        return jax.tree_util.tree_map_with_path(label, params)

    return optax.multi_transform({"train": tx, "keep": optax.set_to_zero()}, labels)


def prior_loss(num_samples: int):
    def loss_fn(decoder, images, key):
        x_key, z_key = jax.random.split(key)
        x = vc.binarize(images, x_key)
        z = jax.random.normal(z_key, (num_samples, decoder.latent_dim))
        return -jnp.mean(vc.log_mean_exp(decoder.decode(z).log_prob_pairs(x))), {}

    return loss_fn


def vae_loss(vae, images, key):
    x_key, z_key = jax.random.split(key)
    return -jnp.mean(vc.elbo_analytic_kl(vae, vc.binarize(images, x_key), z_key)), {}


def held_out(vae, x, key) -> dict:
    """The best lower bound on log p(x), its standard error over images, and what each one says."""
    prior_key, search_key, elbo_key, key = jax.random.split(key, 4)
    prior = vc.prior_log_likelihood(vae.decoder, x, prior_key, num_samples=PRIOR_SAMPLES)
    k, rise = samples_needed(vae, x[:1000], search_key)
    bounds = {f"prior, {PRIOR_SAMPLES}": np.asarray(prior), f"L_{k}": in_batches(vae, x, key, k)}
    if vae.latent_dim <= 2:
        bounds["quadrature"] = np.asarray(vc.grid_log_likelihood(vae.decoder, x))
    best = max(bounds, key=lambda name: bounds[name].mean())
    return {
        "log_p": float(bounds[best].mean()),
        "standard_error": float(bounds[best].std() / np.sqrt(len(x))),
        "by": best,
        "last_rise": rise,
        "elbo": float(in_batches(vae, x, elbo_key, 1).mean()),
        "bounds": {name: round(float(bound.mean()), 3) for name, bound in bounds.items()},
    }


def samples_needed(vae, x, key) -> tuple[int, float]:
    """The first k that adds less than CONVERGED to L_{k/2}, and what it added."""
    k, bound = 32, -np.inf
    while True:
        before = bound
        bound = vc.iwae_bound(vae, x, jax.random.fold_in(key, k), num_samples=k).mean()
        rise = float(bound - before)
        if rise < CONVERGED or k == LARGEST_K:
            return k, rise
        k = 2 * k


def in_batches(vae, x, key, k: int) -> np.ndarray:
    batches = np.split(np.asarray(x), len(x) // 1000)
    keys = jax.random.split(key, len(batches))
    bounds = [
        vc.iwae_bound(vae, batch, key, num_samples=k)
        for batch, key in zip(batches, keys, strict=True)
    ]
    return np.concatenate(bounds)


if __name__ == "__main__":
    main()
