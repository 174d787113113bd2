"""Trains and measures on the devices that there are; test_devices.py compares what comes out.

python on_devices.py RESULT.npz FOLDER EPOCHS [HOST:PORT PROCESSES PROCESS]
A training of three epochs is measured, too.
"""

import contextlib
import sys
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import AxisType

import vae_course as vc

TX = optax.adam(1e-2)
SHARDS = {}  # what is computed -> the different parts of its rows that devices hold
NOW = ["fit"]


def look(rows):
    def keep(sharding):
        parts = sharding.devices_indices_map(rows.shape).values()
        SHARDS.setdefault(NOW[0], set()).update(str(part[0]) for part in parts)

    jax.debug.inspect_array_sharding(jax.lax.stop_gradient(rows), callback=keep)


class Watched(vc.VAE):
    def decode(self, z):
        look(z)
        return super().decode(z)


def loss_fn(vae, x, key):
    look(x)
    return -vc.elbo(vae, vae.encode(x), x, key).mean(), {}


def watched(name, function, *args, **options):
    NOW[0] = name
    return np.asarray(function(*args, **options))


def measured(vae, x):
    key, few = jax.random.key(2), x[:32]
    q, prior = vae.encode(few), vc.prior_of(vae)
    found = {
        "iwae": watched("iwae", vc.iwae, vae, q, few, key, num_samples=512),
        "iwae of many": watched("many", vc.iwae, vae, q, few, key, num_samples=3000),
        "prior": watched("prior", vc.prior_log_likelihood, vae, few, key, num_samples=2000),
        "ais": watched("ais", vc.ais, vae, prior, few, key, num_chains=8, num_steps=20),
        "elbo": watched("elbo", vc.elbo, vae, q, jnp.asarray(few), key, num_samples=7),
    }
    plain = vc.VAE(3, 16, 24, rngs=nnx.Rngs(0))  # rows that do not divide by 8 cannot be looked at
    found["30 rows"] = np.asarray(vc.iwae(plain, prior, x[:30], key, num_samples=100))
    slope = nnx.grad(lambda m: vc.elbo(m, m.encode(x[:30]), x[:30], key).mean())(plain)  # no jit
    return found | {"slope": np.asarray(slope["decoder"]["mlp"]["layers"][0]["kernel"][...])}


def main(result, folder, num_epochs, *hosts):
    if hosts:
        address, count, number = hosts
        jax.distributed.initialize(address, int(count), int(number))
    many = contextlib.nullcontext()
    if jax.device_count() > 1:
        many = jax.set_mesh(
            jax.make_mesh((jax.device_count(),), ("data",), axis_types=(AxisType.Auto,))
        )
    x = np.random.default_rng(0).integers(0, 2, (160, 24)).astype(np.float32)
    vae = Watched(3, 16, 24, rngs=nnx.Rngs(0))
    warnings.filterwarnings("ignore", message="the chains have not converged")
    with many:
        history = vc.fit(
            vae, loss_fn, x, key=jax.random.key(1), num_epochs=int(num_epochs), batch_size=40,
            tx=TX, validation=x[:80], folder=None if folder == "-" else folder,
        )  # fmt: skip
        found = {
            "loss": history["loss"],
            "validation_loss": history["validation_loss"],
            "kernel": np.asarray(vae.decoder.mlp.layers[0].kernel[...]),
        }
        if len(history["loss"]) == 3:
            found |= measured(vae, x)
    found["shards"] = np.array([len(SHARDS.get(name, ())) for name in NAMES])
    if jax.process_index() == 0:
        np.savez(result, **found)


NAMES = ("fit", "iwae", "many", "ais", "elbo")  # prior: its z are shared, its x shared out
if __name__ == "__main__":
    main(*sys.argv[1:])
