"""Fresh processes for tests: with their own variables, without a network, with a small lesson."""

import os
import subprocess
import sys

CLOSED = "http://127.0.0.1:9"
OFFLINE = {"http_proxy": CLOSED, "https_proxy": CLOSED, "no_proxy": ""}
LESSON = """
import jax, jax.numpy as jnp, numpy as np, optax
import vae_course as vc
from flax import nnx
from vae_course import lesson
from vae_course.lesson import plotting

lesson.setup()
data = vc.load("mnist")


def loss_fn(model, images, key):
    x_key, z_key = jax.random.split(key)
    x = vc.binarize(images, x_key)
    return -jnp.mean(vc.elbo(model, model.encode(x), x, z_key)), {}


model = vc.VAE(20, (400,), 784, mean_image=data.train_images.mean(axis=0), rngs=nnx.Rngs(0))
options = {"num_epochs": 1, "batch_size": 200, "tx": optax.adam(1e-3)}
vc.fit(model, loss_fn, data.train_images, key=jax.random.key(0), **options)
drawn = {"drawn": model.decode(jnp.zeros((1, 20))).mean}
plotting.image_panels(drawn, columns=1, title="A", alt="A digit.")
"""


def environment(**changes) -> dict[str, str]:
    """This process's variables without bars and a make's flags; None takes one away."""
    unwanted = dict.fromkeys(["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTHON"])
    variables = os.environ | unwanted | {"TQDM_DISABLE": "1"} | changes
    return {name: str(value) for name, value in variables.items() if value is not None}


def python(code: str, cwd=None, **changes) -> str:
    """What a fresh process prints, on both streams, that runs `code` to its end offline."""
    variables = environment(**OFFLINE | {"MPLBACKEND": "agg", "VAE_COURSE_STRICT": None} | changes)
    command = [sys.executable, "-c", code]
    options = dict(env=variables, cwd=cwd, capture_output=True, text=True, check=False)
    run = subprocess.run(command, **options)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Traceback" not in run.stderr, run.stderr
    return run.stderr + run.stdout
