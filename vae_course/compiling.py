"""Functions of a model, compiled once for each set of shapes; the model stays as it is."""

import copy
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from inspect import signature
from pathlib import Path
from typing import Any

import jax
from flax import nnx

from vae_course.devices import everywhere


class Static:
    """A value that a program is compiled for. Equal ones share it, also if they hold lists."""

    def __init__(self, value):
        try:
            self.hash = hash(value)
        except TypeError:  # a list in it may change later: this one must not
            value = copy.deepcopy(value)
            self.hash = hash(type(value))
        self.value = value

    def __hash__(self):
        return self.hash

    def __eq__(self, other):
        try:
            return isinstance(other, Static) and bool(self.value == other.value)
        except ValueError:  # arrays in lists do not compare
            return False


@partial(jax.tree_util.register_dataclass, data_fields=["state"], meta_fields=["graphdef"])
@dataclass(frozen=True)
class Split:
    """A model taken apart: what it is made of, and its arrays."""

    graphdef: Static
    state: Any


def split(model) -> Split:
    """The model taken apart.

    Raises:
        ValueError: if it is neither an nnx.Module nor one of JAX's pytrees.
    """
    if isinstance(model, nnx.Module):
        graphdef, state = nnx.split(model)
        return Split(Static(graphdef), state)
    if any(leaf is model for leaf in jax.tree.leaves(model)):
        raise ValueError(
            f"JAX cannot see the arrays in a {type(model).__name__}: derive it from "
            "flax.nnx.Module, or decorate a dataclass with jax.tree_util.register_dataclass"
        )
    return Split(Static(None), model)


def merge(parts):
    if not isinstance(parts, Split):
        return parts
    if parts.graphdef.value is None:
        return parts.state
    # Variables of its own: those of the state may not be changed where this is traced.
    return nnx.merge(parts.graphdef.value, jax.tree.map(lambda leaf: leaf, parts.state))


@contextmanager
def without_values(name: str):
    """Around functions of others, called before there are values: a sentence if they need some.

    Raises:
        ValueError: instead of JAX's page, with the line that needs them.
    """
    try:
        yield
    except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError) as error:
        ours = Path(__file__).parent
        lines = traceback.extract_tb(error.__traceback__)
        line = next(
            (one for one in lines if not Path(one.filename).is_relative_to(ours)), lines[-1]
        )
        raise ValueError(
            f"line {line.lineno} of {line.name} ({line.line}) needs the values of an array, but "
            f"{name} is compiled, before there are any: use jnp for np, jnp.where for `if`, and no "
            "float(...)"
        ) from error


def equations(jaxpr):
    """All equations of a program, those of the programs inside it too."""
    for equation in jaxpr.eqns:
        yield equation
        parts = jax.tree.leaves(
            tuple(equation.params.values()), is_leaf=lambda p: hasattr(p, "eqns")
        )
        for part in (getattr(part, "jaxpr", part) for part in parts):  # of a closed one
            if hasattr(part, "eqns"):
                yield from equations(part)


def compiled(function):
    """`function` of (model, ...), compiled, its keywords static.

    Compiled for a model that is `split`, which stays as it is; called as it is for a whole one,
    inside other compiled code. Under a mesh what goes in and what comes out is on every device.
    """
    static = [p.name for p in signature(function).parameters.values() if p.kind == p.KEYWORD_ONLY]

    @partial(jax.jit, static_argnames=static)
    @wraps(function)
    def jitted(*args, **options):
        return everywhere(function(*map(merge, args), **options))

    @wraps(function)
    def call(model, *args, **options):
        if not isinstance(model, Split):
            return function(model, *args, **options)
        args = [split(arg) if isinstance(arg, nnx.Module) else arg for arg in args]
        return jitted(*everywhere((model, *args)), **options)

    return call
