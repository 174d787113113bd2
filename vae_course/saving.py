"""Models and trainings on disk, as named arrays and words: nothing in a file can run code."""

import contextlib
import io
import json
import os
import re
import time
import uuid
import zipfile
from pathlib import Path

import jax
import numpy as np
from flax import nnx
from jax.experimental import multihost_utils

from vae_course.checks import dotted, not_finite_in
from vae_course.compiling import split
from vae_course.devices import everywhere

SHARE_OF_TIME = 0.05  # of the time that a training may spend on saving itself
ABOUT_KEY = "(about)"  # the words among the arrays of a file
MODES = ("deterministic", "use_running_average")  # train() and eval() change them


def save(path, model) -> None:
    """Writes a model to one file: its arrays, and in words what it is made of.

    The file is a NumPy archive (.npz) of arrays by name, such as
    "decoder.mlp.layers.0.kernel", without pickle. An earlier file is replaced only by a
    whole new one.

    Args:
        path: the file; ".npz" is added where it has no such ending.
        model: an nnx.Module, or a dataclass of arrays.
    Raises:
        ValueError: if the model's arrays are not finite, or `path` is no path.
        OSError: if the file cannot be written.
    """
    path, parts = _file(path), split(model)
    if culprit := not_finite_in(parts.state, type(model).__name__):
        raise ValueError(f"{culprit}: nothing was written")
    arrays = _on_host(parts.state)
    types = {name: array.dtype.name for name, array in arrays.items()}
    about = {"vae_course": 1, "types": types, "made of": _made_of(model)}
    arrays = {name: _plain(array) for name, array in arrays.items()}
    content = io.BytesIO()
    np.savez(content, **{ABOUT_KEY: np.array(json.dumps(about))}, **arrays)
    if jax.process_index() == 0:  # of several hosts one writes, and the others wait
        write_whole(path, content.getbuffer())
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices("vae_course.save")


def load_model(path, model):
    """The model, with the arrays that `save` wrote to `path`.

    Args:
        model: a new one of the same kind and sizes. An nnx.Module is filled in place, in the
            types that it has (a file may hold float16, say).
    Returns:
        the model.
    Raises:
        ValueError: if the file is not one of `save`, or is another model's: then it says
            what differs, and the model stays as it is.
        FileNotFoundError: if there is none.
    """
    path = _file(path)
    made_of, arrays = _read(path)
    parts = split(model)
    wanted = named_arrays(parts.state)
    if difference := _difference(made_of, _made_of(model)):
        raise ValueError(f"{path.name} holds another model: {difference}")
    if difference := different_arrays(arrays, wanted):
        raise ValueError(f"{path.name} holds another model: {difference}")
    filled = filled_like(parts.state, {name: arrays[name] for name in wanted})
    if isinstance(model, nnx.Module):
        nnx.update(model, filled)
        return model
    return filled


def named_arrays(tree) -> dict:
    """name -> array, keys of `jax.random` as their numbers."""
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    arrays = {dotted(path): _numbers(leaf) for path, leaf in leaves}
    assert len(arrays) == len(leaves), "two arrays of one name"
    return arrays


def _on_host(tree) -> dict[str, np.ndarray]:
    """Named arrays as NumPy's: then no file depends on the devices."""
    return {name: np.asarray(array) for name, array in named_arrays(tree).items()}


def filled_like(tree, arrays: dict):
    """`tree` with the arrays of that name, in its own types and kinds of keys."""

    def one(path, leaf):
        array = arrays[dotted(path)]
        if _is_key(leaf):
            return jax.random.wrap_key_data(array, impl=jax.random.key_impl(leaf))
        return everywhere(jax.numpy.asarray(array, dtype=jax.numpy.result_type(leaf)))

    return jax.tree_util.tree_map_with_path(one, tree)


def different_arrays(found: dict, wanted: dict) -> str | None:
    """What differs between named arrays, or their shapes, and those that are wanted."""
    shapes = {name: a if isinstance(a, list | tuple) else np.shape(a) for name, a in found.items()}
    lacking = [name for name in wanted if name not in shapes]
    more = [name for name in shapes if name not in wanted]
    if lacking or more:
        return f"it has no {lacking[0]}" if lacking else f"it has a {more[0]}, which this one lacks"
    for name, array in wanted.items():
        if tuple(shapes[name]) != np.shape(array):
            return f"its {name} has shape {tuple(shapes[name])}, this one's {np.shape(array)}"
    return None


class RunFolder:
    """A training on disk: its last state, and what it was started with.

    Args:
        started: what has to be the same when it goes on, by name, as JSON has it.
    Raises:
        ValueError: if it is no folder, or holds something else, found out by `restore`.
    """

    def __init__(self, folder, started: dict):
        import orbax.checkpoint as ocp  # takes a second to import

        self.ocp, self.started, self.folder = ocp, started, _path("folder", folder).absolute()
        self.is_new = not self.folder.exists()
        if self.folder.is_file():
            raise ValueError(f"{folder} is a file: training needs a folder of its own")
        options = ocp.CheckpointManagerOptions(max_to_keep=1, enable_async_checkpointing=False)
        self.manager = ocp.CheckpointManager(self.folder, options=options)
        self.saved, self.next = self.manager.latest_step(), 0.0

    def restore(self, like):
        """(tree like `like`, record), or None if nothing was kept yet."""
        if self.saved is None:
            return None
        args = self.ocp.args
        try:
            record = self.manager.restore(
                self.saved, args=args.Composite(record=args.JsonRestore())
            )["record"]
            started, shapes = record["started"], record["shapes"]
        except (KeyError, ValueError, TypeError) as error:
            raise ValueError(f"{self.folder} holds something else than a training") from error
        for name, value in self.started.items():
            if started.get(name) != value:
                raise ValueError(
                    f"{self.folder} holds a training with another {name} ({started.get(name)}, "
                    f"this one has {value}): choose another folder, or delete that one"
                )
        wanted = _on_host(like)
        if difference := different_arrays(shapes, wanted):
            raise ValueError(
                f"{self.folder} holds a training of another model or optimiser: {difference}"
            )
        kept = self.manager.restore(
            self.saved, args=args.Composite(arrays=args.StandardRestore(wanted))
        )["arrays"]
        return filled_like(like, kept), record

    def save(self, epoch: int, tree, record: dict, *, now: bool) -> None:
        """Keeps the tree and the record: at once, or if little of the time goes into saving."""
        if epoch in (0, self.saved) or not (now or self._is_due()):
            return
        start, args = time.perf_counter(), self.ocp.args
        arrays = _on_host(tree)
        shapes = {name: np.shape(array) for name, array in arrays.items()}
        record = record | {"started": self.started, "shapes": shapes}
        items = dict(arrays=args.StandardSave(arrays), record=args.JsonSave(record))
        self.manager.save(epoch, args=args.Composite(**items))
        self.saved, end = epoch, time.perf_counter()
        self.next = end + (end - start) / SHARE_OF_TIME

    def _is_due(self) -> bool:
        due = time.perf_counter() >= self.next
        if jax.process_count() == 1:
            return due
        return bool(multihost_utils.broadcast_one_to_all(np.array(due)))  # one clock for all

    def close(self) -> None:
        self.manager.close()
        if self.is_new and self.saved is None:  # training failed at once
            with contextlib.suppress(OSError):
                self.folder.rmdir()


def write_whole(path: Path, content) -> None:
    """Writes beside the target and renames, so that no half-written file is ever seen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        with part.open("xb") as file:
            file.write(content)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _path(name: str, path) -> Path:
    try:
        return Path(path).expanduser()
    except TypeError:
        kind = type(path).__name__
        raise ValueError(f"{name} must be the name of a place on disk, got a {kind}") from None


def _file(path) -> Path:
    path = _path("path", path)
    return path if path.suffix == ".npz" else path.with_name(path.name + ".npz")


def _read(path: Path) -> tuple[dict, dict]:
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            about = json.loads(str(file[ABOUT_KEY]))
            types = about["types"]
            arrays = {name: _typed(file[name], types[name]) for name in types}
            return about["made of"], arrays
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {path}") from None
    except (KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is not a file that vc.save wrote, or is damaged ({error})"
        ) from error


def _made_of(model) -> dict:
    """What a model is besides its arrays: kinds, sizes, names of functions, by place."""
    if not isinstance(model, nnx.Module):
        return {"": {"kind": type(model).__name__}}
    return {
        ".".join(map(str, path)): {"kind": type(module).__name__} | _words(module)
        for path, module in nnx.iter_graph(model)
        if isinstance(module, nnx.Module)
    }


def _words(module) -> dict:
    words = {}
    for name, value in vars(module).items():
        leaves = jax.tree.leaves(value)
        if name.startswith("_") or name in MODES or any(hasattr(leaf, "shape") for leaf in leaves):
            continue
        plain = all(isinstance(leaf, bool | int | float | str) for leaf in leaves)
        if plain or callable(value) and not isinstance(value, nnx.Module):
            word = getattr(value, "__name__", None) or repr(value)
            words[name] = re.sub(r" at 0x\w+", "", word)
    return words


def _difference(old: dict, new: dict) -> str | None:
    for place in sorted(old.keys() | new.keys()):
        if place not in old or place not in new:
            return f"it has {'no' if place not in old else 'a'} {place}"
        for name in sorted(old[place].keys() & new[place].keys()):
            if old[place][name] != new[place][name]:
                of = f" of {place}" if place else ""
                return f"the {name}{of} is {old[place][name]} there, and {new[place][name]} here"
    return None


def _is_key(leaf) -> bool:
    return hasattr(leaf, "dtype") and jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _numbers(leaf):
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _plain(array: np.ndarray) -> np.ndarray:
    """Types that NumPy does not write, such as bfloat16, as their bytes."""
    return array if array.dtype.kind in "biufc" else array.view(f"u{array.dtype.itemsize}")


def _typed(array: np.ndarray, name: str) -> np.ndarray:
    wanted = jax.numpy.dtype(name)
    return array if array.dtype == wanted else array.view(wanted)
