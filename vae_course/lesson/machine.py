"""`setup`: what this notebook runs on, and whether it can be trusted."""

import hashlib
import os
import platform
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp

from vae_course.data import cache_folder
from vae_course.versions import FLOORS, LOADS_QUIETLY


def setup() -> None:
    """Prints versions and device, after checking that this jax can be trusted.

    What jax compiles is kept on disk for the next run: see `keep_compiled_programs`.

    Raises:
        RuntimeError: if it computes wrong numbers; the message says what to do.
            (A package that is too old is refused on import: versions.py.)
    """
    keep_compiled_programs()
    if not computes_right():
        raise RuntimeError(
            f"jax {version('jaxlib')} returns wrong numbers on this machine (jax issue 39103): "
            "install jax 0.10.1 or 0.12.0.1, or set "
            "XLA_FLAGS=--xla_cpu_experimental_ynn_fusion_type= and restart."
        )
    versions = ", ".join(f"{name} {version(name)}" for name in FLOORS)
    print(f"Python {platform.python_version()}, {versions}; device: {jax.devices()[0].device_kind}")


def keep_compiled_programs() -> Path | None:
    """Lets jax keep what it compiles on disk: a lesson's second run starts faster.

    The folder is $JAX_COMPILATION_CACHE_DIR or, without that, in the course's cache. In
    it, each version of jaxlib and each kind of CPU has a folder of its own, since
    compiled programs are machine code. A damaged program is compiled again.

    Returns:
        The folder; None if it cannot be written to, or if jax would print a page of
        remarks on every program that it loads (versions.py).
    """
    base = os.environ.get("JAX_COMPILATION_CACHE_DIR") or cache_folder() / "compiled"
    folder = Path(base).expanduser() / f"jaxlib-{version('jaxlib')}-{_cpu()}"
    if not (LOADS_QUIETLY and _writable(folder)):
        jax.config.update("jax_compilation_cache_dir", None)
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # Small programs are most of them: kept as well, they halve a lesson's second run.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache")
    return folder


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


def _cpu() -> str:
    """A short name for what this CPU can do: its architecture and a hash of its features."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        features = next(line for line in lines if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):  # not Linux
        features = platform.processor()
    return f"{platform.machine()}-{hashlib.sha256(features.encode()).hexdigest()[:8]}"


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True
