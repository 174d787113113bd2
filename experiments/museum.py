"""Appendix A's two prices: what a mistake in training costs the bound, and what it costs the model.

The museum's small VAE, 10 latents, three passes over every second training image, trained
with the correct loss and with a mistake, weights and noise by seed. Test images:
Bernoulli(grey) drawn once with key 0. "elbo": 1,000 of them, 20 samples. "model": a lower bound
of the decoder's log p(x) for 200 of them, by L_1000 from a q searched for each image, from the
encoder's q and from the best of 4,096 draws of the prior, whichever has the higher ELBO.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from tables import fill

import vae_course as vc

LATENT_DIM, BATCH_SIZE, PASSES = 10, 200, 3
ROOMS = ["correct", "1", "2", "3", "5", "11", "7, correct", "7"]
SETTINGS = [dict(room=room, seed=seed) for room in ROOMS for seed in (0, 1, 2)]
tx = optax.adam(2e-3)


def moved(mean, log_var, key, scale=1.0):
    """A draw of q, its noise multiplied by `scale`."""
    return mean + scale * jnp.exp(0.5 * log_var) * jax.random.normal(key, mean.shape)


def bce(x, logits):
    return jax.nn.softplus(logits) - x * logits


def correct(x, logits, kl):
    return jnp.mean(jnp.sum(bce(x, logits), axis=-1) + kl)


def averaged(x, logits, kl):
    return jnp.mean(bce(x, logits)) + jnp.mean(kl)


def batch_sum(x, logits, kl):
    return jnp.mean(jnp.sum(bce(x, logits)) + kl)


def small_weight(x, logits, kl):
    return jnp.mean(bce(x, logits)) + 2.5e-4 * jnp.mean(kl)


def loss_of(room, seed):
    """The loss_fn of a room, for vc.fit."""
    loss = {"1": averaged, "2": batch_sum, "3": small_weight}.get(room, correct)
    once = jax.random.normal(jax.random.key(100 + seed), (LATENT_DIM,))

    def loss_fn(vae, images, key):
        x_key, z_key = jax.random.split(key)
        x = vc.binarize(images, x_key)
        q = vae.encode(x)
        if room.startswith("7"):
            log_w = vc.log_weights(vae, q, x, z_key, num_samples=5)
            sign = -1 if room == "7" else 1
            weights = jax.lax.stop_gradient(jax.nn.softmax(sign * log_w, axis=0))
            return -jnp.mean(jnp.sum(weights * log_w, axis=0)), {}
        if room == "11":
            z = q.mean + jnp.exp(0.5 * q.log_var) * once
        else:
            z = moved(q.mean, q.log_var, z_key, 0.01 if room == "5" else 1.0)
        return loss(x, vae.decode(z).logits, vc.kl_divergence(q, vc.prior_of(vae))), {}

    return loss_fn


def measure(data, *, room, seed) -> dict:
    """Trains one model and measures both prices."""
    fit_key, elbo_key, start_key, *keys, bound_key = jax.random.split(jax.random.key(seed), 6)
    images = data.train_images[::2]
    vae = vc.VAE(LATENT_DIM, (200,), 784, mean_image=images.mean(axis=0), rngs=nnx.Rngs(seed))
    seen = images[:10_000] if room.startswith("7") else images
    options = dict(num_epochs=PASSES, batch_size=BATCH_SIZE, tx=tx)
    vc.fit(vae, loss_of(room, seed), seen, key=fit_key, **options)
    x = vc.binarize(data.test_images[::10], jax.random.key(0))
    q = vae.encode(x)
    elbo = vc.elbo(vae, q, x, elbo_key, num_samples=20)
    few = x[::5]
    z = jax.random.normal(start_key, (4096, LATENT_DIM))
    best = z[vae.decode(z).pairwise_log_prob(few).argmax(axis=0)]
    starts = vae.encode(few), vc.Gaussian(best, jnp.full_like(best, -2.0))
    heights, bounds = [], []
    for start, key in zip(starts, keys, strict=True):
        search_key, height_key, model_key = jax.random.split(key, 3)
        best_q = vc.fit_posterior(vae, start, few, search_key, num_steps=500)
        heights.append(np.asarray(vc.elbo(vae, best_q, few, height_key, num_samples=100)))
        bounds.append(np.asarray(vc.iwae(vae, best_q, few, model_key, num_samples=1000)))
    model = np.where(heights[0] > heights[1], *bounds)
    return {
        "elbo": float(elbo.mean()),
        "elbo_of_the_few": float(elbo[::5].mean()),
        "L_5": float(vc.iwae(vae, q, x, bound_key, num_samples=5).mean()),
        "active_units": int(vc.active_units(q).sum()),
        "model": float(model.mean()),
        "model_standard_error": float(model.std(ddof=1) / len(model) ** 0.5),
        "from_the_encoder": float(np.mean(heights[0] > heights[1])),
    }


def main() -> None:
    fill("museum", "experiments/museum.py", SETTINGS, measure)


if __name__ == "__main__":
    main()
