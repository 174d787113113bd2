"""Lesson 11's table: seven likelihoods for one decoder, each trained until it is done.

Scikit-learn's digits, 8 x 8 pixels of 17 levels, shuffled by seed 0: 1,200 to train on, 200 to
choose the number of passes by (the ELBO, 20 samples), 397 held out. Densities are trained and
measured on dequantised levels, y = (level + u) / 17, and lose 64 log 17 for it. A VAE with 8
latents and 128 hidden units; L_500, nats per image. A run per number of passes, more and more
until the validation ELBO has fallen twice; the best is kept.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.scipy.special import gammaln
from sklearn.datasets import load_digits
from tables import fill

import vae_course as vc

LEVELS, BATCH_SIZE = 17, 100
PASSES = (60, 200, 600, 2000, 6000)
LOG_CELLS = 64 * np.log(LEVELS)


def binomial(outputs):
    """One output: 16 flips of one coin."""
    count = jnp.arange(LEVELS)
    orders = gammaln(1.0 * LEVELS) - gammaln(count + 1.0) - gammaln(1.0 * LEVELS - count)
    return vc.distributions.Categorical(orders + count * outputs[..., None])


LIKELIHOODS = {  # name: makes it; whether it is a density
    "beta-binomial": (lambda: vc.likelihoods.BetaBinomialPixels(LEVELS), False),
    "categorical": (lambda: vc.likelihoods.CategoricalPixels(LEVELS), False),
    "discretised logistic": (lambda: vc.likelihoods.LogisticPixels(LEVELS), False),
    "binomial": (lambda: binomial, False),
    "continuous Bernoulli": (lambda: vc.distributions.ContinuousBernoulli, True),
    "Gaussian, one σ": (lambda: vc.likelihoods.LearnedGaussian(1, std=0.3), True),
    "Gaussian, σ of each pixel": (lambda: vc.likelihoods.GaussianPerPixel(0.001), True),
}
SETTINGS = [dict(likelihood=name, seed=seed) for seed in (0, 1, 2) for name in LIKELIHOODS]


def dequantised(x, key):
    return (16 * x + jax.random.uniform(key, x.shape)) / LEVELS


def counts_loss(vae, x, key):
    return -jnp.mean(vc.elbo(vae, vae.encode(x), x, key)), {}


def density_loss(vae, x, key):
    y_key, z_key = jax.random.split(key)
    return counts_loss(vae, dequantised(x, y_key), z_key)


def measure(_, *, likelihood, seed) -> dict:
    """The best of the runs, by the validation images; all their numbers in "tried"."""
    order = np.random.default_rng(0).permutation(1797)
    digits = jnp.array(load_digits().data[order].astype(np.float32) / 16)
    make, is_density = LIKELIHOODS[likelihood]
    train, chooser, test = digits[:1200], digits[1200:1400], digits[1400:]
    fit_key, u_key, elbo_key, bound_key = jax.random.split(jax.random.key(seed), 4)
    if is_density:
        chooser, test = (
            dequantised(part, key)
            for part, key in zip((chooser, test), jax.random.split(u_key), strict=True)
        )
    loss = density_loss if is_density else counts_loss
    cells = LOG_CELLS if is_density else 0.0
    tried = []
    for passes in PASSES:
        vae = vc.VAE(8, (128,), 64, likelihood=make(), rngs=nnx.Rngs(seed))
        tx = optax.adam(vc.warmup_cosine(0.005, len(train) // BATCH_SIZE * passes))
        options = dict(num_epochs=passes, batch_size=BATCH_SIZE, tx=tx)
        history = vc.fit(vae, loss, train, key=jax.random.fold_in(fit_key, passes), **options)
        seen = vc.elbo(vae, vae.encode(chooser), chooser, elbo_key, num_samples=20)
        bound = vc.iwae(vae, vae.encode(test), test, bound_key, num_samples=500) - cells
        tried.append(
            {
                "passes": passes,
                "training_elbo": -float(np.mean(history["loss"][-20:])) - cells,
                "validation_elbo": float(seen.mean()) - cells,
                "log_p": float(bound.mean()),
                "standard_error": float(bound.std(ddof=1) / len(test) ** 0.5),
            }
        )
        best = max(tried, key=lambda run: run["validation_elbo"])
        if len(tried) > tried.index(best) + 2:
            break
    return best | {"tried": tried}


def main() -> None:
    fill("likelihoods", "experiments/likelihoods.py", SETTINGS, measure)


if __name__ == "__main__":
    main()
