"""Trains a VAE on all devices there are, keeps it, and measures it. SCALING.md says more.

python train.py                                  all devices of this machine
srun python train.py --hosts                     several hosts, as SLURM knows them
python train.py --hosts ADDRESS:PORT COUNT NUMBER   several hosts, told by hand
"""

import argparse
from pathlib import Path

import jax
import optax
from flax import nnx
from jax.sharding import AxisType

import vae_course as vc


def vae_loss(vae, images, key):
    x_key, z_key = jax.random.split(key)
    x = vc.binarize(images, x_key)  # (batch, 784): each device has its rows of it
    return -vc.elbo(vae, vae.encode(x), x, z_key).mean()


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--hosts", nargs="*", help="nothing, or ADDRESS:PORT COUNT NUMBER")
    parser.add_argument("--folder", type=Path, default="run", help="seen by all hosts")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=512, help="images a step, of all devices")
    parser.add_argument("--images", type=int, default=58_000)
    return parser.parse_args()


def main():
    given = options()
    if given.hosts:  # before anything else touches JAX
        address, count, number = given.hosts
        jax.distributed.initialize(address, int(count), int(number))
    elif given.hosts is not None:
        jax.distributed.initialize()
    mesh = jax.make_mesh((jax.device_count(),), ("data",), axis_types=(AxisType.Auto,))
    data = vc.load("mnist")
    if data.is_stand_in:
        raise SystemExit("MNIST is not there: download it first, on a machine with a network.")
    images, held_out = data.train_images[:-2_000][: given.images], data.train_images[-2_000:]
    vae = vc.VAE(20, (400,), 784, mean_image=images.mean(axis=0), rngs=nnx.Rngs(0))
    steps = len(images) // given.batch * given.epochs
    with jax.set_mesh(mesh):
        history = vc.fit(
            vae,
            vae_loss,
            images,
            key=jax.random.key(1),
            num_epochs=given.epochs,
            batch_size=given.batch,
            tx=optax.adam(vc.warmup_cosine(2e-3, steps)),
            validation=held_out,
            folder=given.folder / "training",  # repeat the command to resume
        )
        vc.save(given.folder / "vae", vae)
        x = vc.binarize(data.test_images[:1000], jax.random.key(2))
        log_p = vc.evaluate(vae, vae.encode, x, jax.random.key(3), num_samples=1000)
    if jax.process_index() == 0:
        where = f"{jax.device_count()} devices, {jax.process_count()} hosts"
        print(f"{where}: validation loss {history['validation_loss'][-1]:.2f}, log p(x) {log_p}")


if __name__ == "__main__":
    main()
