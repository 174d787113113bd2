"""A small lesson, and ways to run it: a fresh process, or the cells of a Jupyter kernel."""

import contextlib
import os
import queue
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field

import nbformat
from jupyter_client import KernelManager
from notebook_files import code_cells
from offline import CLOSED_PORT

TIMING = re.compile(r"\d ?(ms|s|seconds|minutes|hours)\b|· time of ")
OFFLINE = {"http_proxy": CLOSED_PORT, "https_proxy": CLOSED_PORT, "no_proxy": ""}
LESSON = """
import jax, jax.numpy as jnp, numpy as np, optax
import vae_course as vc
from flax import nnx
from vae_course import plotting

vc.setup()
data = vc.load("mnist")


def loss_fn(model, images, key):
    x_key, z_key = jax.random.split(key)
    x = vc.binarize(images, x_key)
    return -jnp.mean(vc.elbo(model, model.encode(x), x, z_key)), {}


def new_model():
    return vc.VAE(20, (400,), 784, mean_image=data.train_images.mean(axis=0), rngs=nnx.Rngs(0))


model = new_model()
options = {"batch_size": 200, "tx": optax.adam(1e-3)}
"""
FIT = "vc.fit(model, loss_fn, data.train_images, key=jax.random.key(0), num_epochs=1, **options)\n"
FIGURE = """
fig = plotting.image_panels({"drawn": model.decode(jnp.zeros((1, 20))).mean}, columns=1, title="A")
vc.show(fig, alt="A digit.")
"""


def environment(**changes) -> dict[str, str]:
    """This process's variables without its bars and strictness; None takes one away."""
    variables = os.environ | {"TQDM_DISABLE": "1", "VAE_COURSE_STRICT": None} | changes
    return {name: str(value) for name, value in variables.items() if value is not None}


def python(code, **changes):
    """What a fresh process prints that runs `code` to its end without a network."""
    variables = environment(**OFFLINE | {"MPLBACKEND": "agg"} | changes)
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Traceback" not in run.stderr, run.stderr
    return run.stdout


def code_of(path) -> list[str]:
    """The sources of a notebook's code cells."""
    return [cell.source for cell in code_cells(nbformat.read(path, as_version=4))]


@dataclass
class Ran:
    """One run of a cell: its streams, its last value as text, and the name of its error."""

    stdout: str = ""
    stderr: str = ""
    value: str = ""
    error: str = ""
    traceback: str = field(default="", repr=False)

    @property
    def lasting(self) -> str:
        """The text without the lines that tell a time, which no two runs share."""
        lines = f"{self.stdout}\n{self.stderr}\n{self.value}".splitlines()
        return "\n".join(line for line in lines if not TIMING.search(line))


class Cells:
    """A kernel's client: `run` a cell to its end, or `start` one and look at what it prints."""

    def __init__(self, manager, client):
        self.manager, self.client = manager, client

    def run(self, source: str, timeout: float = 300) -> Ran:
        self.start(source)
        return self.finish(timeout)

    def check(self, source: str) -> Ran:
        """Runs a cell that must not fail."""
        ran = self.run(source)
        assert not ran.error, ran.traceback
        return ran

    def start(self, source: str) -> None:
        self.message, self.ran = self.client.execute(source), Ran()

    def wait_for(self, text: str, timeout: float = 120) -> None:
        """Returns as soon as the running cell has printed `text`."""
        while text not in self.ran.stdout:
            if self._take(timeout):
                raise AssertionError(f"the cell ended without {text!r}: {self.ran}")

    def finish(self, timeout: float = 300) -> Ran:
        end = time.monotonic() + timeout
        while not self._take(end - time.monotonic()):
            pass
        return self.ran

    def interrupt(self, times: int = 6) -> Ran:
        """Interrupts again where nothing follows: jax's own callbacks may swallow one."""
        self.manager.interrupt_kernel()
        try:
            return self.finish(10)
        except AssertionError:
            if times == 1:
                raise
            return self.interrupt(times - 1)

    def _take(self, timeout) -> bool:
        """Takes one message of the running cell; whether it was the last."""
        try:
            message = self.client.get_iopub_msg(timeout=max(timeout, 0))
        except queue.Empty:
            raise AssertionError(f"the kernel takes too long: {self.ran}") from None
        kind, content = message["msg_type"], message["content"]
        if message["parent_header"].get("msg_id") != self.message:
            return False
        if kind == "stream":
            setattr(self.ran, content["name"], getattr(self.ran, content["name"]) + content["text"])
        elif kind == "execute_result":
            self.ran.value = content["data"]["text/plain"]
        elif kind == "error":
            self.ran.error, self.ran.traceback = content["ename"], "\n".join(content["traceback"])
        return kind == "status" and content["execution_state"] == "idle"


@contextlib.contextmanager
def kernel(folder, **changes):
    """Cells of a new kernel that works in `folder`; its process is ended on the way out."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(folder), env=environment(**changes))
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=120)
        yield Cells(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
