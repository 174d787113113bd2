"""The published table: one-stochastic-layer models beside Burda et al. (2016), Table 1.

MNIST, pixels drawn anew at every visit, all 60,000 training images; test images drawn once
with key 0; L_5000 on all 10,000. Settings were chosen on the last 10,000 training images
(split "validation": trained on the other 50,000, measured on 1,000 of them). Interrupt it
when you like: it goes on from the last minute.
"""

import sys
from functools import cache, partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from resumable import measure_in_pieces, train_in_pieces
from tables import adam, fill, matrix_product_rate, vae_loss

import vae_course as vc

FOLDER = Path(__file__).parent / "unfinished"
BURDA = dict(latent_dim=50, hidden=[200, 200], activation="tanh")
OURS = dict(latent_dim=50, hidden=[500, 500], activation="silu")
BURDA_FIT = dict(batch_size=100, learning_rate=0.002)
OURS_FIT = dict(batch_size=256, learning_rate=0.003)
TEST = dict(split="test", bound_samples=5000)
SETTINGS = [
    OURS | OURS_FIT | dict(stages=[[1, 1, 95]], seed=0) | TEST,
    OURS
    | OURS_FIT
    | dict(stages=[[1, 1, 20], [10, 2, 20], [20, 3, 30], [50, 4, 12]], seed=0)
    | TEST,
    BURDA | BURDA_FIT | dict(stages=[[1, 1, 100]], seed=0) | TEST,
    BURDA | BURDA_FIT | dict(stages=[[5, 2, 100]], seed=0) | TEST,
    BURDA | BURDA_FIT | dict(stages=[[50, 4, 60]], seed=0) | TEST,
    *(BURDA | BURDA_FIT | dict(stages=[[1, 1, 100]], seed=seed) | TEST for seed in (1, 2)),
    *(OURS | OURS_FIT | dict(stages=[[1, 1, 95]], seed=seed) | TEST for seed in (1, 2)),
]
VALIDATION = dict(split="validation", bound_samples=1000, seed=0)
TRIED = [
    OURS | OURS_FIT | dict(stages=[[1, 1, 95]]) | VALIDATION,
    OURS | dict(batch_size=256, learning_rate=0.005, stages=[[1, 1, 95]]) | VALIDATION,
    OURS | OURS_FIT | dict(stages=[[1, 1, 30], [20, 3, 60]]) | VALIDATION,
]


def main() -> None:
    settings = TRIED if "tune" in sys.argv else SETTINGS
    fill("published", "experiments/published.py", settings, measure)


def measure(data, *, split, seed, stages, bound_samples, **setting) -> dict:
    """Trains one model, stage by stage (k, kept, epochs), and measures it."""
    train, test = data.train_images, data.test_images
    if split == "validation":
        train, test = train[:-10_000], train[-1_000:]
    fit_key, bound_key = jax.random.split(jax.random.key(seed))
    name = "-".join(str(part) for part in (split, seed, stages, *setting.values()))
    path = FOLDER / "".join(c if c.isalnum() or c == "-" else "_" for c in name)
    vae = build(train, setting, seed)
    spent, loss = train_in_stages(vae, train, stages, setting, fit_key, path)
    x = vc.binarize(test, jax.random.key(0))

    def bound(x, key):
        return vc.iwae(vae, vae.encode(x), x, key, num_samples=bound_samples)

    log_p = measure_in_pieces(bound, x, bound_key, path.with_suffix(".bound.npy"))
    return {
        "log_p": float(log_p.mean()),
        "standard_error": float(log_p.std(ddof=1) / np.sqrt(len(log_p))),
        "images": len(log_p),
        "active_units": int(vc.active_units(vae.encode(x)).sum()),
        "training_bound": -loss,
        **spent,
        "gflops": round(matrix_product_rate()),
    }


def train_in_stages(vae, images, stages, setting, key, path):
    """Seconds spent, and the last loss; one learning-rate schedule over all stages."""
    epochs = [tuple(samples) for *samples, count in stages for _ in range(count)]
    batch_size = setting["batch_size"]
    return train_in_pieces(
        vae,
        [bound_loss(*stage) for stage in epochs],
        jnp.asarray(images),
        key,
        adam(setting["learning_rate"], len(images), batch_size, len(epochs)),
        batch_size,
        path.with_suffix(".training"),
    )


def build(images, setting, seed) -> vc.VAE:
    activation = {"tanh": jnp.tanh, "silu": nnx.silu}[setting["activation"]]
    return vc.VAE(
        setting["latent_dim"],
        setting["hidden"],
        784,
        activation=activation,
        mean_image=images.mean(axis=0),
        rngs=nnx.Rngs(seed),
    )


@cache
def bound_loss(k: int, kept: int):
    """Minus L_k with pixels drawn anew; one object for each pair, so that nothing recompiles."""
    return vae_loss if k == 1 else partial(resampled_loss, k, kept)


def resampled_loss(k, kept, vae, images, key):
    """-L_k; its gradient is an unbiased estimate of the doubly reparameterised one.

    That gradient (Tucker et al. 2019) is an average over samples drawn with their
    own normalised weights. `kept` of the k are drawn (systematic resampling): only they are
    differentiated, which is where the time goes.
    """
    x_key, z_key, draw_key = jax.random.split(key, 3)
    x = vc.binarize(images, x_key)
    q = vae.encode(x)
    fixed_q = jax.lax.stop_gradient(q)

    def log_weights(z):
        log_prior = vc.standard_normal(vae.latent_dim).log_prob(z)
        return vae.decode(z).log_prob(x) + log_prior - fixed_q.log_prob(z)

    noise = jax.random.normal(z_key, (k, *q.mean.shape))

    def shifted(noise):
        return q.mean[None] + jnp.exp(0.5 * q.log_var)[None] * noise

    log_w = jax.lax.stop_gradient(log_weights(shifted(noise)))
    share = jax.nn.softmax(log_w, axis=0)
    ladder = (jnp.arange(kept)[:, None] + jax.random.uniform(draw_key, (1, len(x)))) / kept
    chosen = jnp.sum(jnp.cumsum(share, axis=0)[:, None] < ladder[None], axis=0).clip(max=k - 1)
    noise = jnp.take_along_axis(noise, chosen[..., None], axis=0)
    weight = jnp.take_along_axis(share, chosen, axis=0)[..., None]
    z = shifted(noise)
    z = jax.lax.stop_gradient(z) + weight * (z - jax.lax.stop_gradient(z))
    bound, kept_term = jnp.mean(vc.log_mean_exp(log_w)), jnp.mean(log_weights(z))
    return -(jax.lax.stop_gradient(bound - kept_term) + kept_term), {}


if __name__ == "__main__":
    main()
