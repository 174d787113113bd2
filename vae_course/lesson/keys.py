"""Random keys by name: a new draw in a lesson changes no other number."""

import os
import zlib
from collections.abc import Callable

import jax


def keys(seed: int) -> Callable[[str], jax.Array]:
    """A function from a name to a key of its own: `keys = lesson.keys(8)`, `keys("train")`.

    The same name gives the same key, whatever was drawn before: the key of the seed with
    the name's CRC-32 folded in. Each draw takes a name of its own.

    The environment variable VAE_COURSE_SEED, an integer, moves every key: the same lesson
    with other draws and other initial weights.

    Raises:
        ValueError: if VAE_COURSE_SEED is not an integer of 0 or more.
        TypeError: for a name that is not a string.
    """
    base = jax.random.key(seed)
    shift = os.environ.get("VAE_COURSE_SEED", "0")
    if not shift.isdecimal():
        raise ValueError(f"VAE_COURSE_SEED must be an integer of 0 or more, got {shift!r}")
    if int(shift):
        base = jax.random.fold_in(base, int(shift))

    def key(name: str) -> jax.Array:
        if not isinstance(name, str):
            raise TypeError(f'a key has a name, such as keys("train"), got {name!r}')
        return jax.random.fold_in(base, zlib.crc32(name.encode()))

    return key
