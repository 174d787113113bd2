"""Speed: an epoch of the 784-400-20 VAE side by side and in parts, and sampling the prior.

Written to experiments/speed.json, in one run: the contenders take turns, in an order
that turns round each time. Real or stand-in images cost the same; grey values, as the PyTorch
example has them, Adam at 1e-3, batch 128. PyTorch is needed only here.
"""

import datetime
import json
import os
import time
from functools import partial
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

BATCH, ROUNDS = 128, 7
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


def compiled_torch_epochs(batches):
    """The best that we know of PyTorch: compiled, Adam in one kernel, the loss read at the end."""
    optimizer = torch.optim.Adam((model := TorchVAE()).parameters(), lr=1e-3, fused=True)
    loss_of = torch.compile(model.loss, dynamic=False)

    def epoch():
        total = torch.zeros(())
        for x in batches():
            optimizer.zero_grad()
            loss = loss_of(x)
            loss.backward()
            total += loss.detach()
            optimizer.step()
        return total.item()

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
        "PyTorch, tensors in memory, compiled": compiled_torch_epochs(in_memory),
        "JAX, a step at a time": step_by_step_epochs(images),
    }


def parts(images):
    """What an epoch consists of, each part alone, as often as an epoch does it.

    Each step's input is the last one's output, so that nothing is left out or done once.
    """
    on_device, num_steps = jnp.asarray(images), len(images) // BATCH
    keys = jax.random.split(jax.random.key(0), 3)
    _, params = nnx.split(our_vae(images))
    sizes = (784, 400), (400, 40), (20, 400), (400, 784)
    weights, inputs, slopes = (
        [jax.random.normal(keys[0], shape) for shape in shapes]
        for shapes in (sizes, [(BATCH, i) for i, _ in sizes], [(BATCH, o) for _, o in sizes])
    )

    def repeated(step):
        def steps(carry):
            return jax.lax.fori_loop(0, num_steps, lambda _, carry: step(carry), carry)

        return jax.jit(steps)

    def products(carry):
        weights, inputs, slopes = carry
        outputs = [i @ w for i, w in zip(inputs, weights, strict=True)]
        to_weights = [i.T @ s for i, s in zip(inputs, slopes, strict=True)]
        back = [s @ w.T for s, w in zip(slopes[1:], weights[1:], strict=True)]
        return to_weights, [inputs[0], *back], outputs  # the images need no slope

    def adam(carry):
        params, state = carry
        updates, state = TX.update(params, state)
        return optax.apply_updates(params, updates), state

    def bernoulli(carry):
        logits, x = carry
        slope = jax.grad(lambda logits: -vc.Bernoulli(logits).log_prob(x).mean())(logits)
        return logits - slope, x

    def gather(carry):
        total, rows = carry
        return total + on_device[rows], (rows + 1) % len(on_device)

    def draws(carry):
        key, total = carry
        key, own = jax.random.split(key)
        return key, total + jax.random.normal(own, total.shape)

    def shuffle():
        return jax.random.permutation(keys[1], len(on_device))

    rows = shuffle()[:BATCH]
    runs = {
        "matrix products": (repeated(products), (weights, inputs, slopes)),
        "Adam": (repeated(adam), (params, TX.init(params))),
        "the Bernoulli and its slope": (
            repeated(bernoulli),
            (inputs[3] @ weights[3], on_device[rows]),
        ),
        "gathering the batches": (repeated(gather), (jnp.zeros((BATCH, 784)), rows)),
        "draws of z": (repeated(draws), (keys[2], jnp.zeros((BATCH, 20)))),
        "shuffling": (lambda _: shuffle(), None),
    }
    return {name: partial(*run) for name, run in runs.items()}


def seconds(function) -> float:
    start = time.perf_counter()
    jax.block_until_ready(function())
    return time.perf_counter() - start


def in_turns(runs) -> dict:
    """Seconds of each run, ROUNDS of them, in an order that turns round each time."""
    for run in runs.values():
        jax.block_until_ready(run())  # compiles
    found = {name: [] for name in runs}
    for number in range(ROUNDS):
        for name in list(runs) if number % 2 else list(runs)[::-1]:
            found[name].append(seconds(runs[name]))
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
        "epoch": in_turns(contenders(images, data.train_labels)),
        "parts": in_turns({"vc.fit": fit_epochs(images)} | parts(images)),
        "gflops": matrix_product_rate(),
        "prior": prior_sampling(images),
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
