"""Recorded tables: one row a run, each kept as soon as it is measured."""

import datetime
import json
import os
import time

import jax
import jax.numpy as jnp
import optax

import vae_course as vc
from vae_course.lesson.recorded import FOLDER


def fill(name: str, script: str, settings, measure) -> None:
    """Measures every row that vae_course/lesson/recorded/<name>.json lacks.

    An interrupted run goes on where it stopped.

    Args:
        settings: a list of dicts; a row with the same entries is not measured again.
        measure: (data, **settings) -> dict of results.
    """
    path = FOLDER / f"{name}.json"
    data = vc.load("mnist")
    if data.is_stand_in:
        raise SystemExit("This table is about real MNIST, which could not be loaded.")
    table = json.loads(path.read_text()) if path.exists() else {"script": script, "rows": []}
    for setting in settings:
        if is_measured(setting, table["rows"]):
            continue
        row = setting | measure(data, **setting)
        table["rows"].append(row)
        table["date"] = datetime.date.today().isoformat()
        part = path.with_suffix(".part")
        part.write_text(json.dumps(table, indent=1) + "\n")
        os.replace(part, path)
        print(json.dumps({k: v for k, v in row.items() if not isinstance(v, list)}), flush=True)


def is_measured(setting: dict, rows) -> bool:
    """Whether one of the rows was measured with these settings."""
    return any(setting.items() <= row.items() for row in rows)


def adam(peak: float, num_images: int, batch_size: int, num_epochs: int):
    """Adam as in every lesson."""
    num_steps = num_images // batch_size * num_epochs
    return optax.adam(vc.warmup_cosine(peak, num_steps), b2=0.99)


def vae_loss(vae, images, key):
    """Minus the ELBO, one sample an image, pixels drawn anew."""
    x_key, z_key = jax.random.split(key)
    x = vc.binarize(images, x_key)
    return -jnp.mean(vc.elbo(vae, vae.encode(x), x, z_key)), {}


def matrix_product_rate() -> float:
    """Float32 matrix products, in GFLOP/s: the best run of about a third of a second."""
    size = 1024
    multiply = jax.jit(jnp.matmul)
    a = jnp.ones((size, size))
    multiply(a, a).block_until_ready()
    seconds = []
    for _ in range(30):  # the first ones often find the second core asleep
        start = time.perf_counter()
        multiply(a, a).block_until_ready()
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds) / 1e9
