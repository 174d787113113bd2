"""Speed side by side: an epoch of the 784-400-20 VAE, and what sampling the prior costs.

Written to experiments/speed.json, in one run: the contenders take turns, in an order
that turns round each time. Real or stand-in images cost the same; grey values, as the PyTorch
example has them, Adam at 1e-3, batch 128. PyTorch is needed only here.
"""

import datetime
import json
import os
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from flax import nnx
from PIL import Image
from tables import matrix_product_rate
from torch import nn
from torch.nn import functional as F

import vae_course as vc

BATCH, ROUNDS, GFLOP = 128, 7, 0.42
TX = optax.adam(1e-3)


class TorchVAE(nn.Module):
    """The layers of https://github.com/pytorch/examples/tree/main/vae, and those of our_vae."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(784, 400)
        self.mean, self.log_var = nn.Linear(400, 20), nn.Linear(400, 20)
        self.decode = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784))

    def loss(self, x):
        hidden = F.relu(self.hidden(x))
        mean, log_var = self.mean(hidden), self.log_var(hidden)
        z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
        misfit = F.binary_cross_entropy(torch.sigmoid(self.decode(z)), x, reduction="sum")
        return misfit + 0.5 * torch.sum(mean**2 + log_var.exp() - 1 - log_var)


class OneByOne(torch.utils.data.Dataset):
    """Each image from bytes by Pillow to floats, as torchvision's MNIST with ToTensor does."""

    def __init__(self, images, labels):
        self.bytes, self.labels = (images * 255).round().astype(np.uint8), labels

    def __len__(self):
        return len(self.bytes)

    def __getitem__(self, row):
        picture = Image.fromarray(self.bytes[row].reshape(28, 28))
        pixels = torch.from_numpy(np.array(picture)).reshape(28, 28, 1)
        return pixels.permute(2, 0, 1).contiguous().float().div(255), int(self.labels[row])


def torch_epochs(batches):
    """An epoch of PyTorch's well-known loop over whatever batches() yields."""
    optimizer = torch.optim.Adam((model := TorchVAE()).parameters(), lr=1e-3)

    def epoch():
        total = 0.0
        for x in batches():
            optimizer.zero_grad()
            loss = model.loss(x)
            loss.backward()
            total += loss.item()
            optimizer.step()
        return total

    return epoch


def grey_loss(vae, images, key):
    return -jnp.mean(vc.elbo(vae, vae.encode(images), images, key)), {}


def our_vae(images):
    return vc.VAE(20, (400,), 784, activation=nnx.relu, rngs=nnx.Rngs(0))


def fit_epochs(images):
    vae, on_device = our_vae(images), jnp.asarray(images)

    def epoch():
        key = jax.random.key(0)
        vc.fit(vae, grey_loss, on_device, key=key, num_epochs=1, batch_size=BATCH, tx=TX)

    return epoch


def step_by_step_epochs(images):
    """The usual JAX loop: one compiled step a batch, each batch sent from the host."""
    graphdef, params = nnx.split(our_vae(images))
    state = [params, TX.init(params)]

    @jax.jit
    def step(params, opt_state, batch, key):
        def loss_of(params):
            return grey_loss(nnx.merge(graphdef, params), batch, key)[0]

        grads = jax.grad(loss_of)(params)
        updates, opt_state = TX.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    def epoch():
        rows = np.random.default_rng(0).permutation(len(images))
        keys = jax.random.split(jax.random.key(0), len(images) // BATCH)
        for i, key in enumerate(keys):
            state[:] = step(*state, images[rows[i * BATCH : (i + 1) * BATCH]], key)
        jax.block_until_ready(state)

    return epoch


def contenders(images, labels):
    loader = torch.utils.data.DataLoader(OneByOne(images, labels), batch_size=BATCH, shuffle=True)
    tensors = torch.from_numpy(images)

    def in_memory():
        return (tensors[rows] for rows in torch.randperm(len(images)).split(BATCH))

    return {
        "vc.fit": fit_epochs(images),
        "PyTorch, the example's loop": torch_epochs(
            lambda: (x.reshape(-1, 784) for x, _ in loader)
        ),
        "PyTorch, tensors in memory": torch_epochs(in_memory),
        "JAX, a step at a time": step_by_step_epochs(images),
    }


def seconds(function) -> float:
    start = time.perf_counter()
    jax.block_until_ready(function())
    return time.perf_counter() - start


def side_by_side(images, labels) -> dict:
    """Seconds an epoch, ROUNDS for each contender, and the machine's rate each round."""
    runs = contenders(images, labels)
    for epoch in runs.values():
        epoch()  # compiles
    found = {name: [] for name in runs} | {"gflops": []}
    for number in range(ROUNDS):
        names = list(runs) if number % 2 else list(runs)[::-1]
        for name in names:
            found[name].append(seconds(runs[name]))
        found["gflops"].append(matrix_product_rate())
    return found


def prior_sampling(images) -> dict:
    """Milliseconds of prior sampling: shared against private draws, and how it grows."""
    key = jax.random.key(0)

    def cost(private=False, samples=512, batch=128, latent_dim=20):
        decoder = vc.Decoder(latent_dim, (400, 400), 784, rngs=nnx.Rngs(0))
        x = jnp.asarray(images[:batch])
        zeros = jnp.zeros((batch, latent_dim))
        own = vc.Gaussian(zeros, zeros)  # the prior, for each image

        def run():
            if private:
                return vc.iwae(decoder, own, x, key, num_samples=samples)
            return vc.prior_log_likelihood(decoder, x, key, num_samples=samples)

        run()
        return 1e3 * float(np.median([seconds(run) for _ in range(3 if private else 9)]))

    return {"shared": cost(), "private": cost(private=True)} | {
        "samples": {n: cost(samples=n) for n in (128, 512, 2048, 8192, 32768)},
        "batch": {n: cost(batch=n) for n in (8, 32, 128, 512, 2048)},
        "latent dimension": {n: cost(latent_dim=n) for n in (2, 10, 50, 200)},
    }


def main() -> None:
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    data = vc.load("mnist")
    images = np.asarray(data.train_images)
    table = {
        "script": "experiments/speed.py",
        "date": datetime.date.today().isoformat(),
        "versions": {"torch": torch.__version__, "jax": jax.__version__},
        "images": len(images),
        "epoch": side_by_side(images, data.train_labels),
        "prior": prior_sampling(images),
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
