"""`setup`: what this notebook runs on, how fast it is, and whether it can be trusted."""

import json
import platform
import time
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from vae_course.versions import FLOORS

REFERENCE = Path(__file__).parent / "recorded" / "machine.json"


def setup() -> None:
    """Checks that this jax can be trusted, then prints versions, device and measured speed.

    Raises:
        RuntimeError: if it computes wrong numbers; in one sentence that says what to do.
            (A package that is too old is refused on import: versions.py.)
    """
    if not computes_right():
        raise RuntimeError(
            f"jax {version('jaxlib')} returns wrong numbers on this machine (jax issue 39103): "
            "install jax 0.10.1, or set XLA_FLAGS=--xla_cpu_experimental_ynn_fusion_type= and "
            "restart."
        )
    versions = ", ".join(f"{name} {version(name)}" for name in FLOORS)
    speed = matrix_product_rate()
    reference = json.loads(REFERENCE.read_text())["gflops"]
    print(f"Python {platform.python_version()}, {versions}; device: {jax.devices()[0].device_kind}")
    print(
        f"This machine multiplies matrices at {speed:.0f} GFLOP/s: {speed / reference:.1f} times "
        f"the one on which the lessons were timed ({reference:.0f})."
    )


def computes_right() -> bool:
    """Whether a compiled product followed by a sum of squares gives the right number.

    The canary of https://github.com/jax-ml/jax/issues/39103: jaxlib 0.10.2 fuses the
    two wrongly on CPUs. Every value is a power of two or zero, exact in float32.
    """
    side = 2**15
    rows = jnp.zeros((side + 1, 3)).at[side, 0].set(side)

    @jax.jit
    def squared_length(rows):
        return jax.vmap(lambda row: jnp.sum(jnp.square(jnp.eye(3) @ row)))(rows)

    return float(squared_length(rows)[-1]) == float(side) ** 2


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
    return 2 * size**3 / np.min(seconds) / 1e9
