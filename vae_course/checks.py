"""What is refused, and in which words: on the host, on concrete values, once a call.

Inside compiled code there are no values to look at, and nothing is paid: where a value
cannot be right there, it becomes -inf or NaN, and whoever called finds it on the host.
"""

from numbers import Integral

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from vae_course.devices import everywhere

VALUES = ("value", "raw_value")  # what flax calls the array in a Variable
ROUNDING = 1e-5  # how far beyond a support float32 may carry a value: resized images do that


def is_concrete(*trees) -> bool:
    """Whether no array in them is one of JAX's tracers, as they are inside compiled code."""
    return not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(trees))


def is_tracing() -> bool:
    """Whether what is computed now is being compiled, even if of concrete arrays."""
    return isinstance(jnp.zeros(()), jax.core.Tracer)


def positive_integer(name: str, number) -> int:
    """Python's integer, of any integer type; ValueError if it is not positive."""
    if not isinstance(number, Integral) or isinstance(number, bool) or number < 1:
        got = " ".join(repr(number).split())[:80]
        raise ValueError(f"{name} must be a positive integer, got {got}")
    return int(number)


def function(name: str, value):
    """The value itself; ValueError if it cannot be called."""
    if not callable(value):
        raise ValueError(f"{name} must be a function, got {value!r}")
    return value


def positive_number(name: str, number) -> float:
    """Python's float; ValueError if it is not one finite positive number."""
    try:
        if np.ndim(number) == 0 and 0 < float(number) < np.inf:
            return float(number)
    except (TypeError, ValueError):
        pass
    raise ValueError(f"{name} must be a positive number, got {' '.join(repr(number).split())[:80]}")


def random_key(key) -> jax.Array:
    """The key itself; ValueError if it is not one key of JAX's."""
    if isinstance(key, jax.Array):
        typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
        if key.ndim == (0 if typed else 1) and (typed or key.dtype == jnp.uint32):
            return key
    shape = f" of shape {key.shape}" if hasattr(key, "shape") else f" {key!r}"
    raise ValueError(
        f"a key comes from jax.random.key(0), or is one part of jax.random.split; got "
        f"{type(key).__name__}{shape}"
    )


def float_array(name: str, values):
    """`values` as an array of floats: JAX's and NumPy's arrays, frames, lists of rows.

    Raises:
        ValueError: for what holds no numbers, bytes (images before the division by 255),
            values that are NaN, infinite or too large for the float type.
    """
    if getattr(values, "dtype", None) == np.uint8:
        raise ValueError(
            f"{name} is uint8, of shape {values.shape}: images / 255 for bytes, "
            "images.astype('float32') for zeros and ones"
        )
    array = numbers(name, values)
    finite(name, array)
    return array


def numbers(name: str, values):
    """`values` as an array of floats, of any numbers; ValueError for what are none."""
    if isinstance(values, jax.core.Tracer):
        return values
    array = values if isinstance(values, jax.Array) else _numpy(name, values)
    if not getattr(array, "is_fully_addressable", True):
        array = everywhere(array)  # of several hosts each looks at all of it
    if array.dtype.kind == "c" or jnp.issubdtype(array.dtype, jax.dtypes.extended):
        raise ValueError(f"{name} must be real numbers, got {array.dtype}")
    wanted = jnp.result_type(float)
    if array.dtype == wanted:
        return array
    with np.errstate(over="ignore"):  # infinite, and named where that is wrong
        return array.astype(wanted)


def _numpy(name: str, values) -> np.ndarray:
    try:
        array = np.asarray(values)
        if values is None or array.dtype.kind in "Mm" or array.dtype.names:
            raise ValueError(f"got {array.dtype if array.ndim else values}")
        if np.ma.is_masked(values):
            raise ValueError("some values are masked")
        return array.astype(float) if array.dtype.kind not in "biufcV" else array
    except (ValueError, TypeError) as error:
        reason = str(error).split("\n")[0]
        raise ValueError(
            f"{name} must be an array of numbers, rows of one length: {reason}"
        ) from None


def matrix(name: str, values, *, axes: str = "batch, data_dim"):
    """`float_array`, and ValueError unless it has two axes and at least one row and column."""
    array = float_array(name, values)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(
            f"{name} must be a float array of shape ({axes}), got {array.dtype} {array.shape}; "
            "one image is x[None]"
        )
    return array


def finite(name: str, array, way_out: str = "") -> None:
    """ValueError with place and value if something in a concrete `array` is NaN or infinite."""
    if isinstance(array, jax.core.Tracer):
        return
    values = np.asarray(array)
    if not np.isfinite(values).all():
        bad = ~np.isfinite(values)
        raise ValueError(f"{name} {what_is_where(values, bad)}: NaN or infinite{way_out}")


def what_is_where(values: np.ndarray, bad: np.ndarray) -> str:
    """'is nan in row 3, column 7 (and in 4 places more)': the first of the bad values."""
    place = tuple(int(i) for i in np.argwhere(bad)[0]) if bad.ndim else ()
    more = int(bad.sum()) - 1
    where = {0: "", 1: " in row {}", 2: " in row {}, column {}"}.get(len(place), f" at {place}")
    rest = f" (and in {more:,} places more)" if more else ""
    return f"is {values[place]:g}{where.format(*place)}{rest}"


def supported(name: str, x, support: tuple[float, float] | None) -> None:
    """ValueError with place and value if a concrete x leaves `support`, but for rounding."""
    if support is None or isinstance(x, jax.core.Tracer):
        return
    low, high = support
    values = np.asarray(x)
    if values.size and not (values.min() >= low - ROUNDING and values.max() <= high + ROUNDING):
        bad = outside(values, support)
        raise ValueError(outside_sentence(name, values, bad, support))


def outside(values: np.ndarray, support: tuple[float, float]) -> np.ndarray:
    """Which values leave `support` by more than rounding."""
    return ~((values >= support[0] - ROUNDING) & (values <= support[1] + ROUNDING))


def outside_sentence(name: str, values, bad, support: tuple[float, float]) -> str:
    return (
        f"{name} {what_is_where(values, bad)}, where the likelihood takes values from "
        f"{support[0]:g} to {support[1]:g} only: scale the data (bytes / 255), or choose another "
        "likelihood"
    )


def not_finite_in(tree, name: str) -> str | None:
    """'vae.decoder.kernel is nan in row 0, column 1', of the first such array in `tree`."""
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        if not hasattr(leaf, "dtype") or not jnp.issubdtype(leaf.dtype, jnp.inexact):
            continue
        values = np.asarray(leaf)
        if not np.isfinite(values).all():
            return f"{name}.{dotted(path)} {what_is_where(values, ~np.isfinite(values))}"
    return None


def dotted(path) -> str:
    """'decoder.kernel', for the path of an array in a tree; that it is a Variable's is left out."""
    parts = [str(getattr(p, "key", getattr(p, "name", getattr(p, "idx", p)))) for p in path]
    in_variable = len(path) > 1 and isinstance(path[-2], jax.tree_util.DictKey)
    return ".".join(parts[:-1] if in_variable and parts[-1] in VALUES else parts)


def evaluation_mode(model) -> None:
    """ValueError if dropout or batch norm is in training mode."""
    for path, module in nnx.iter_graph(model):
        for flag in ("deterministic", "use_running_average"):
            if getattr(module, flag, None) is False:
                name = ".".join(str(part) for part in path) or type(module).__name__
                raise ValueError(
                    f"{name} ({type(module).__name__}) is in training mode, which would change "
                    "every number measured: call .eval() on the model before, .train() after"
                )
