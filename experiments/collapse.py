"""Lesson 12's table: a decoder that has learned to do without z, and what brings z back.

MNIST brought to 14 x 14 (means of 2 x 2 pixels), training pixels drawn anew at every visit.
The decoder is autoregressive. For 8 passes it is trained with z from the prior, so that it
learns to ignore z; then the VAE is trained for 10 passes, in one of several ways. "From
scratch" is without a head start, for as many VAE passes (10), or as many in all (18). The wide
decoder has 1,000 hidden units and a learning rate of 0.01, and no head start either. Measured on
all 10,000 test images, Bernoulli(grey) drawn once with key 0; L_200; nats per image.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from scipy.optimize import brentq
from tables import adam, fill

import vae_course as vc

LATENT_DIM, BATCH_SIZE, HEAD_START, PASSES, PEAK = 10, 256, 8, 10, 0.003
FREE_NATS, COMMITTED = 0.3, 0.3  # for each latent
ENCODER_STEPS, RESTS_UNTIL = 6, 4 * (60_000 // BATCH_SIZE)  # decoder: every 6th step, 4 passes
TREATMENTS = [
    "from scratch",
    "from scratch, KL warm-up",
    "from scratch, 18 passes",
    "wide decoder",
    "wide decoder, KL warm-up",
    "nothing",
    "KL warm-up",
    "free bits",
    "resting decoder",
    "committed rate",
    "KL too heavy too early",
]
SETTINGS = [dict(treatment=name, seed=seed) for name in TREATMENTS for seed in (0, 1, 2)]


# The log variance below 0 at which KL(N(0, var) || N(0, 1)) is COMMITTED.
LARGEST_LOG_VAR = brentq(lambda v: (np.exp(v) - 1 - v) / 2 - COMMITTED, -20, 0)


class CommittedVAE(vc.autoregressive.AutoregressiveVAE):
    """A q so narrow that each latent costs at least COMMITTED nats, whether used or not."""

    def encode(self, x):
        q = super().encode(x)
        return vc.Gaussian(q.mean, LARGEST_LOG_VAR - nnx.softplus(-q.log_var))


def quarter(images):
    """(n, 784) -> (n, 196): the mean of each 2 x 2 pixels."""
    return np.asarray(images).reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(-1, 196)


def deaf_loss(vae, images, key):
    """The decoder alone: z comes from the prior and says nothing about the image."""
    x_key, z_key = jax.random.split(key)
    z = jax.random.normal(z_key, (len(images), LATENT_DIM))
    return -jnp.mean(vae.decode(z).log_prob(vc.binarize(images, x_key))), {}


def loss(vae, images, key, *, free_nats=0.0):
    """Minus the ELBO, its KL weighted by the model's `kl_weight`, or free up to some nats."""
    x_key, z_key = jax.random.split(key)
    x = vc.binarize(images, x_key)
    q = vae.encode(x)
    reconstruction = vae.decode(q.sample(z_key)).log_prob(x)
    rates = 0.5 * jnp.mean(jnp.exp(q.log_var) + q.mean**2 - 1 - q.log_var, axis=0)
    price = vae.kl_weight[...] * jnp.sum(jnp.maximum(rates, free_nats))
    return price - jnp.mean(reconstruction), {"rate": jnp.sum(rates)}


free_bits_loss = partial(loss, free_nats=FREE_NATS)


def main() -> None:
    fill("collapse", "experiments/collapse.py", SETTINGS, measure)


def measure(data, *, treatment, seed) -> dict:
    """Trains one model in one of the ways and measures it on the test images."""
    images = quarter(data.train_images)
    *fit_keys, elbo_key, bound_key = jax.random.split(jax.random.key(seed), 4)
    vae = trained(images, treatment, fit_keys, seed)
    x = vc.binarize(quarter(data.test_images), jax.random.key(0))
    q = vae.encode(x)
    bound = vc.evaluate(vae, q, x, bound_key, num_samples=200)
    return {
        "elbo": float(np.mean(vc.elbo(vae, q, x, elbo_key))),
        "rate": float(vc.kl_divergence(q, vc.prior_of(vae)).mean()),
        "log_p": bound.mean,
        "standard_error": bound.standard_error,
        "active_units": int(vc.active_units(q).sum()),
    }


def trained(images, treatment, fit_keys, seed):
    """The head start, if there is one, then the VAE."""
    kind = CommittedVAE if treatment == "committed rate" else vc.autoregressive.AutoregressiveVAE
    is_wide = treatment.startswith("wide decoder")
    width, peak = (1000, 0.01) if is_wide else (300, PEAK)
    mean, rngs = images.mean(axis=0), nnx.Rngs(seed)
    vae = kind(LATENT_DIM, (200,), 196, width=width, mean_image=mean, rngs=rngs)
    vae.kl_weight = nnx.Variable(jnp.array(1.0))
    fit = partial(vc.fit, vae, data=images, batch_size=BATCH_SIZE)
    passes = PASSES + HEAD_START * (treatment == "from scratch, 18 passes")
    if treatment == "KL too heavy too early":
        vae.kl_weight[...] = 10.0
        fit(loss, key=fit_keys[0], num_epochs=HEAD_START, tx=optax.adam(PEAK))
    elif not (is_wide or treatment.startswith("from scratch")):
        fit(deaf_loss, key=fit_keys[0], num_epochs=HEAD_START, tx=optax.adam(PEAK))
    warms_up = treatment.endswith("KL warm-up")
    vae.kl_weight[...] = 0.0 if warms_up else 1.0
    chosen = free_bits_loss if treatment == "free bits" else loss
    tx = adam(peak, len(images), BATCH_SIZE, passes)
    if treatment == "resting decoder":
        tx = optax.partition({True: tx, False: rests(tx)}, is_encoder)
    warm_up = raise_weight if warms_up else None
    fit(chosen, key=fit_keys[1], num_epochs=passes, tx=tx, on_epoch_end=warm_up)
    return vae


def raise_weight(epoch, vae):
    """The weight of the KL is 0, 1/4, 1/2, 3/4, then 1."""
    vae.kl_weight[...] = min(1.0, epoch / 4)


def is_encoder(params):
    """A tree like params: True where the parameter is the encoder's."""
    return jax.tree_util.tree_map_with_path(lambda path, _: "encoder" in str(path[0]), params)


def rests(tx):
    """`tx`, whose steps count only once in ENCODER_STEPS until RESTS_UNTIL; then always."""

    def counts(step):
        return jnp.where((step % ENCODER_STEPS == 0) | (step >= RESTS_UNTIL), 1.0, 0.0)

    return optax.chain(tx, optax.scale_by_schedule(counts))


if __name__ == "__main__":
    main()
