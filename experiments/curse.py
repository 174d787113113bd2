"""Lesson 03's table: prior sampling over latent dimensions, beside a VAE of the same decoder.

Every model trains for 40 epochs; two train three times as long, to see what patience brings.
All 10,000 test images of MNIST, Bernoulli(grey) drawn once with key 0; nats per image.
log_p is exact (quadrature) for two latents. Beyond, it is the best lower bound found: L_k with
the model's encoder; for a decoder trained without one, prior Monte Carlo, and for seed 0 also
L_k with an encoder fitted afterwards (never the better one). elbo and rate are the encoder's.
"""

import itertools
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from tables import adam, fill, vae_loss

import vae_course as vc

LATENT_DIMS, SEEDS, EPOCHS = (2, 5, 10, 20, 50), (0, 1, 2), 40
HIDDEN, BATCH_SIZE = (400, 400), 1024
ENCODER_EPOCHS = 15
PRIOR_LOT, PROPOSAL_LOT, MOST_LOTS = 2**14, 16, 32
CONVERGED = 0.2  # nats


def main() -> None:
    methods = [dict(method="prior", num_samples=n) for n in (64, 512)]
    methods.append(dict(method="vae", num_samples=1))
    settings = [
        method | dict(latent_dim=latent_dim, seed=seed, epochs=EPOCHS)
        for seed, latent_dim, method in itertools.product(SEEDS, LATENT_DIMS, methods)
    ]
    settings += [method | dict(latent_dim=20, seed=0, epochs=3 * EPOCHS) for method in methods[1:]]
    fill("curse_table", "experiments/curse.py", settings, measure)


def measure(data, *, method, latent_dim, num_samples, seed, epochs) -> dict:
    """Trains one model to the end and measures it."""
    start = time.perf_counter()
    fit_key, encoder_key, test_key, elbo_key = jax.random.split(jax.random.key(seed), 4)
    test_x = vc.binarize(data.test_images, jax.random.key(0))
    mean_image = data.train_images.mean(axis=0)
    vae = vc.VAE(latent_dim, HIDDEN, 784, mean_image=mean_image, rngs=nnx.Rngs(seed))
    has_encoder = method == "vae" or (latent_dim > 2 and seed == 0)
    images = data.train_images
    fit = dict(data=images, batch_size=BATCH_SIZE)
    if method == "vae":
        tx = adam(0.004, len(images), BATCH_SIZE, epochs)
        history = vc.fit(vae, vae_loss, key=fit_key, num_epochs=epochs, tx=tx, **fit)
    else:
        loss_fn = prior_loss(num_samples)
        tx = adam(0.016, len(images), BATCH_SIZE, epochs)
        history = vc.fit(vae.decoder, loss_fn, key=fit_key, num_epochs=epochs, tx=tx, **fit)
        if has_encoder:
            tx = encoder_only(adam(0.002, len(images), BATCH_SIZE, ENCODER_EPOCHS))
            vc.fit(vae, vae_loss, key=encoder_key, num_epochs=ENCODER_EPOCHS, tx=tx, **fit)
    row = held_out(vae, test_x, test_key, method, has_encoder)
    if has_encoder:
        row["elbo"] = float(in_batches(vae, test_x, elbo_key, num_samples=1).mean())
        row["rate"] = float(vc.kl_divergence(vae.encode(test_x), vc.prior_of(vae)).mean())
    return {
        "training_bound": -float(history["loss"][-1]),
        "curve": [round(-float(loss), 2) for loss in history["loss"]],
        **row,
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
        return -jnp.mean(vc.log_mean_exp(decoder.decode(z).pairwise_log_prob(x))), {}

    return loss_fn


def held_out(vae, x, key, method: str, has_encoder: bool) -> dict:
    """The best lower bound on log p(x), with standard errors over images and over keys."""
    prior_key, key = jax.random.split(key)
    bounds = {}
    if vae.latent_dim <= 2:
        exact = np.asarray(vc.grid_log_likelihood(vae.decoder, x))
        bounds["quadrature"] = dict(log_p=exact, standard_error_keys=0.0, last_rise=0.0)
    elif has_encoder:
        bounds["L_k"] = doubled(partial(in_batches, vae, x), key, PROPOSAL_LOT)
    if method == "prior" and vae.latent_dim > 2:
        prior = partial(vc.prior_log_likelihood, vae.decoder, x)
        bounds["prior Monte Carlo"] = doubled(prior, prior_key, PRIOR_LOT)
    best = max(bounds, key=lambda name: bounds[name]["log_p"].mean())
    log_p = bounds[best]["log_p"]
    return bounds[best] | {
        "log_p": float(log_p.mean()),
        "standard_error": float(log_p.std() / np.sqrt(len(x))),
        "by": best,
        "bounds": {name: round(float(b["log_p"].mean()), 3) for name, b in bounds.items()},
    }


def doubled(estimate, key, lot: int) -> dict:
    """log of the mean over `lot` * 8 samples, 16, 32, until doubling adds less than CONVERGED.

    Drawn in lots with a key each, so that leaving out one at a time (the jackknife)
    gives the standard error over keys of the mean over images.
    """
    lots = []
    while True:
        fresh = range(len(lots), max(8, 2 * len(lots)))
        lots += [np.asarray(estimate(jax.random.fold_in(key, i), num_samples=lot)) for i in fresh]
        half, log_p = log_mean(lots[: len(lots) // 2]), log_mean(lots)
        rise = float((log_p - half).mean())
        if rise < CONVERGED or len(lots) == MOST_LOTS:
            break
    without = [log_mean(lots[:i] + lots[i + 1 :]).mean() for i in range(len(lots))]
    return {
        "log_p": log_p,
        "standard_error_keys": float(np.sqrt(len(lots) - 1) * np.std(without)),
        "last_rise": rise,
        "test_samples": lot * len(lots),
    }


def log_mean(lots) -> np.ndarray:
    return np.asarray(vc.log_mean_exp(np.stack(lots)))


def in_batches(vae, x, key, *, num_samples: int) -> np.ndarray:
    batches = np.split(np.asarray(x), len(x) // 1000)
    keys = jax.random.split(key, len(batches))
    bounds = [
        vc.iwae(vae, vae.encode(batch), batch, key, num_samples=num_samples)
        for batch, key in zip(batches, keys, strict=True)
    ]
    return np.concatenate(bounds)


if __name__ == "__main__":
    main()
