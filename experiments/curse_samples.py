"""Lesson 03's second table: what more samples from the prior buy, with twenty latents.

usage: python experiments/curse_samples.py

The decoder of curse.py, trained with N = 64, 512, 4,096 and 32,768 samples from the prior a
step, 20 epochs; and a VAE of the same decoder, 40 epochs. Rows of stage "tuning" train on the
first 50,000 training images, and log_p is prior Monte Carlo with 65,536 samples (for the VAE
L_64 of its encoder) on the other 10,000: they choose the learning rate. Rows of stage "test"
train on all 60,000, and log_p is the best of three lower bounds on every tenth test image of
MNIST, Bernoulli(grey) drawn once with key 0; nats per image.
"""

import itertools
import time
from functools import partial

import jax
import numpy as np
from curse import BATCH_SIZE, HIDDEN, doubled, prior_loss
from flax import nnx
from tables import adam, fill, vae_loss

import vae_course as vc
from vae_course.lesson.recorded import FOLDER

LATENT_DIM, EPOCHS, VAE_EPOCHS = 20, 20, 40
RATES, VAE_RATES = (0.003, 0.006, 0.012), (0.002, 0.004, 0.008)
BEST_RATE = {64: 0.006, 512: 0.006, 4096: 0.012, 32768: 0.012}
BEST_VAE_RATE = 0.008
PRIOR_LOT, SEARCHED_LOT = 2**15, 512
UNFINISHED = FOLDER.parents[2] / "experiments" / "unfinished"


def main() -> None:
    prior = dict(latent_dim=LATENT_DIM, method="prior", epochs=EPOCHS)
    vae = dict(latent_dim=LATENT_DIM, method="vae", num_samples=1, epochs=VAE_EPOCHS)
    settings = [
        prior | dict(stage="tuning", num_samples=n, learning_rate=rate, seed=0)
        for n, rate in itertools.product((64, 512, 4096), RATES)
    ]
    settings += [vae | dict(stage="tuning", learning_rate=rate, seed=0) for rate in VAE_RATES]
    settings += [
        vae | dict(stage="test", learning_rate=BEST_VAE_RATE, seed=seed) for seed in (0, 1)
    ]
    settings += [
        prior | dict(stage="test", num_samples=n, learning_rate=BEST_RATE[n], seed=seed)
        for n, seed in [(64, 0), (64, 1), (512, 0), (512, 1), (4096, 0), (32768, 0), (4096, 1)]
    ]
    fill("curse_samples", "experiments/curse_samples.py", settings, measure)


def measure(data, *, stage, method, latent_dim, num_samples, learning_rate, seed, epochs) -> dict:
    start = time.perf_counter()
    fit_key, test_key = jax.random.split(jax.random.key(seed))
    images = data.train_images[:50_000] if stage == "tuning" else data.train_images
    mean_image = images.mean(axis=0)
    vae = vc.VAE(latent_dim, HIDDEN, 784, mean_image=mean_image, rngs=nnx.Rngs(seed))
    trained, loss = (vae, vae_loss) if method == "vae" else (vae.decoder, prior_loss(num_samples))
    history = vc.fit(
        trained,
        loss,
        images,
        key=fit_key,
        num_epochs=epochs,
        batch_size=BATCH_SIZE,
        tx=adam(learning_rate, len(images), BATCH_SIZE, epochs),
        folder=UNFINISHED / f"curse_samples_{stage}_{method}_{num_samples}_{learning_rate}_{seed}",
    )
    seconds = time.perf_counter() - start
    if stage == "tuning":
        x = vc.binarize(data.train_images[50_000:], jax.random.key(0))
        row = quickly(vae, x, test_key, method)
    else:
        x = vc.binarize(data.test_images, jax.random.key(0))[::10]
        row = best_bound(vae, x, test_key, method)
    return {
        "training_bound": -float(history["loss"][-1]),
        "curve": [round(-float(loss), 2) for loss in history["loss"]],
        **row,
        "training_seconds": round(seconds),
        "seconds": round(time.perf_counter() - start),
    }


def quickly(vae, x, key, method) -> dict:
    if method == "vae":
        log_p = vc.iwae(vae.decoder, vae.encode(x), x, key, num_samples=64)
    else:
        log_p = vc.prior_log_likelihood(vae.decoder, x, key, num_samples=2**16)
    log_p = np.asarray(log_p)
    return dict(log_p=float(log_p.mean()), standard_error=standard_error(log_p))


def best_bound(vae, x, key, method) -> dict:
    """Prior Monte Carlo, L_k of a Gaussian searched per image, and AIS; per image, (batch,)."""
    prior_key, search_key, searched_key, ais_key = jax.random.split(key, 4)
    decoder, prior = vae.decoder, vc.prior_of(vae.decoder)
    bounds = {}
    if method == "prior":
        of_prior = partial(vc.prior_log_likelihood, decoder, x)
        bounds["prior Monte Carlo"] = doubled(of_prior, prior_key, PRIOR_LOT)
    start = vae.encode(x) if method == "vae" else prior
    q = vc.fit_posterior(decoder, start, x, search_key)
    bounds["searched q"] = doubled(partial(vc.iwae, decoder, q, x), searched_key, SEARCHED_LOT)
    walked = vc.ais(decoder, prior, x, ais_key, num_chains=4, num_steps=400, num_leapfrog=5)
    bounds["AIS"] = dict(log_p=np.asarray(vc.log_mean_exp(walked)))
    best = max(bounds, key=lambda name: bounds[name]["log_p"].mean())
    log_p = bounds[best]["log_p"]
    return {
        "log_p": float(log_p.mean()),
        "standard_error": standard_error(log_p),
        "by": best,
        "bounds": {name: round(float(b["log_p"].mean()), 3) for name, b in bounds.items()},
        "last_rise": {n: round(b["last_rise"], 3) for n, b in bounds.items() if "last_rise" in b},
        "rate": float(vc.kl_divergence(q, prior).mean()),
        "elbo": float(vc.elbo(decoder, q, x, searched_key, num_samples=64).mean()),
    }


def standard_error(values) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))


if __name__ == "__main__":
    main()
