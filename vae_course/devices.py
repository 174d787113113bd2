"""More than one device: under `jax.set_mesh(mesh)` rows are shared out, all else is everywhere.

The rows of a batch go along the mesh's first axis. Without a mesh nothing happens here, and
the numbers are the same to float32 rounding: JAX's draws do not depend on the devices.
"""

import jax
from jax.sharding import AxisType, PartitionSpec


def everywhere(tree):
    """The tree with all its arrays on every device of the mesh in context, if there is one.

    Raises:
        ValueError: if the mesh has Explicit axes, as jax.make_mesh makes them by default.
    """
    if _axis() is None:
        return tree

    def copied(leaf):
        if isinstance(leaf, jax.core.Tracer):
            return jax.lax.with_sharding_constraint(leaf, PartitionSpec())
        if not hasattr(leaf, "dtype"):
            return leaf
        if is_key(leaf):  # JAX does not put these onto several hosts
            numbers = copied(jax.random.key_data(leaf))
            return jax.random.wrap_key_data(numbers, impl=jax.random.key_impl(leaf))
        return jax.device_put(leaf, PartitionSpec())

    return jax.tree.map(copied, tree)


def shared_out(tree):
    """Inside compiled code: the arrays' rows shared out among the devices."""
    name = _axis()
    if name is None:
        return tree

    def parted(array):
        try:
            return jax.lax.with_sharding_constraint(array, PartitionSpec(name))
        except ValueError:  # not compiled after all: there rows must divide by the devices
            return array

    return jax.tree.map(parted, tree)


def is_key(leaf) -> bool:
    """Whether it is a key, or keys, of `jax.random.key`."""
    return hasattr(leaf, "dtype") and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def num_devices() -> int:
    """Devices among which the rows are shared out."""
    name = _axis()
    return 1 if name is None else jax.sharding.get_abstract_mesh().shape[name]


def _axis() -> str | None:
    """The mesh's first axis; None without a mesh, and inside shard_map, where rows are split."""
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty or AxisType.Manual in mesh.axis_types:
        return None
    if AxisType.Explicit in mesh.axis_types:
        raise ValueError(
            "the mesh in context has Explicit axes, as jax.make_mesh makes them by default: "
            f"give it axis_types=(jax.sharding.AxisType.Auto,) * {len(mesh.axis_names)}"
        )
    return mesh.axis_names[0]
