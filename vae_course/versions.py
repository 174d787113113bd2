"""The oldest versions that the course runs on, held against what is installed."""

import os
from importlib.metadata import version

FLOORS = {"jax": (0, 7, 2), "flax": (0, 11, 2), "optax": (0, 2, 8), "numpy": (2, 0)}


def check_versions() -> None:
    """Raises RuntimeError, in one sentence that says what to do, if a package is too old."""
    for name, floor in FLOORS.items():
        if _numbers(version(name)) < floor:
            wanted = ".".join(map(str, floor))
            raise RuntimeError(
                f"This course needs {name} {wanted} or newer and found {version(name)}: on Colab "
                "choose the latest runtime version (Runtime > Change runtime type), elsewhere "
                "run `make clean` and then `make lab`."
            )


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:3] if part.isdigit())


check_versions()  # on import, so before the package's other files meet an old jax or flax

# jax 0.10 fills the page with XLA's lines on CPU features whenever it loads a kept program.
# Only this variable keeps them off, and only if it is set before jax is imported (which
# sets it to 1): where jax came first, LOADS_QUIETLY is False.
LOADS_QUIETLY = (
    _numbers(version("jax")) >= (0, 12) or os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "3"
)
