"""Models and trainings on disk, as named arrays and words: nothing in a file can run code."""

import contextlib
import io
import json
import os
import re
import signal
import threading
import time
import uuid
import zlib
from functools import partial
from pathlib import Path

import jax
import numpy as np
from flax import nnx
from jax.experimental import multihost_utils

from vae_course.checks import dotted, not_finite_in
from vae_course.compiling import split
from vae_course.devices import everywhere, is_key

SHARE_OF_TIME = 0.05  # of the time that a training may spend on saving itself
ABOUT, ARRAYS = "about", "arrays/"  # the parts of a file
# train() and eval() change the first two; arrays are loaded in the types that the model has.
NOT_COMPARED = ("deterministic", "use_running_average", "dtype", "param_dtype")


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
    for name, array in arrays.items():
        if array.dtype.kind not in "biufcV":
            raise ValueError(f"{name} holds {array.dtype}, no numbers: nothing was written")
    types = {name: array.dtype.name for name, array in arrays.items()}
    about = {"vae_course": 1, "types": types, "made of": made_of(model)}
    parts = {ARRAYS + name: _plain(array) for name, array in arrays.items()}
    content = io.BytesIO()
    np.savez(content, **{ABOUT: np.array(json.dumps(about))}, **parts)
    if jax.process_index() == 0:  # of several hosts one writes, and the others wait
        write_whole(path, content.getbuffer())
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices("vae_course.save")


def load_model(path, model):
    """The model, with the arrays that `save` wrote to `path`.

    Args:
        model: a new one of the same kind and sizes. An nnx.Module is filled in place, in the
            types that it has (a file may hold float16, say). Functions are compared by name.
    Returns:
        the model.
    Raises:
        ValueError: if the file is not one of `save`, or is another model's: then it says
            what differs, and the model stays as it is.
        FileNotFoundError: if there is none.
    """
    path = _file(path)
    words, arrays = _read(path)
    parts = split(model)
    wanted = named_arrays(parts.state)
    difference = different_words(words, made_of(model)) or different_arrays(arrays, wanted)
    difference = difference or _what_does_not_fit(arrays, wanted)
    if difference:
        raise ValueError(f"{path.name} holds another model: {difference}")
    filled = filled_like(parts.state, {name: arrays[name] for name in wanted})
    if isinstance(model, nnx.Module):
        nnx.update(model, filled)
        return model
    return filled


def named_arrays(tree) -> dict:
    """name -> array, keys of `jax.random` as their numbers."""
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    arrays = {dotted(p): jax.random.key_data(a) if is_key(a) else a for p, a in leaves}
    if len(arrays) < len(leaves):
        raise ValueError(
            "two arrays have one name: no dots in the names of a model's parts, please"
        )
    return arrays


def _on_host(tree) -> dict[str, np.ndarray]:
    """Named arrays as NumPy's: then no file depends on the devices."""
    return {name: np.asarray(array) for name, array in named_arrays(tree).items()}


def filled_like(tree, arrays: dict):
    """`tree` with the arrays of that name, in its own types and kinds of keys."""

    def one(path, leaf):
        array = arrays[dotted(path)]
        if is_key(leaf):
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

    def __init__(self, folder, started: dict, model):
        import orbax.checkpoint as ocp  # takes a second to import

        self.ocp, self.started, self.folder = ocp, started, _path("folder", folder).absolute()
        self.made_of = made_of(model)
        self.is_new = not self.folder.exists()
        if self.folder.is_file():
            raise ValueError(f"{folder} is a file: training needs a folder of its own")
        options = ocp.CheckpointManagerOptions(max_to_keep=1, enable_async_checkpointing=False)
        with self._named():
            self.manager = ocp.CheckpointManager(self.folder, options=options)
            self.saved, self.next = self.manager.latest_step(), 0.0

    def restore(self, like):
        """(tree like `like`, record), or None if nothing was kept yet."""
        if self.saved is None:
            return None
        args = self.ocp.args
        record = self._read(record=args.JsonRestore())["record"]
        if not isinstance(record, dict) or not record.keys() >= {"started", "made of", "shapes"}:
            raise ValueError(f"{self.folder} holds something else than a training")
        started, shapes = record["started"], record["shapes"]
        for name, value in self.started.items():
            if started.get(name) != value:
                raise ValueError(
                    f"{self.folder} holds a training with another {name} ({started.get(name)}, "
                    f"this one has {value}): choose another folder, or delete that one"
                )
        if difference := different_words(record["made of"], self.made_of):
            raise ValueError(f"{self.folder} holds a training of another model: {difference}")
        wanted = _on_host(like)
        if difference := different_arrays(shapes, wanted):
            raise ValueError(
                f"{self.folder} holds a training of another model or optimiser: {difference}"
            )
        kept = self._read(arrays=args.StandardRestore(wanted))["arrays"]
        return filled_like(like, kept), record

    def _read(self, **items):
        with self._named():
            return self.manager.restore(self.saved, args=self.ocp.args.Composite(**items))

    @contextlib.contextmanager
    def _named(self):
        """What orbax raises for a folder that it cannot read, as one sentence."""
        try:
            yield
        except PermissionError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise ValueError(
                f"{self.folder} holds something else than a training, or is damaged ({reason}): "
                "choose another folder, or delete that one"
            ) from error

    def save(self, epoch: int, tree, record: dict, *, now: bool) -> None:
        """Keeps the tree and the record: at once, or if little of the time goes into saving."""
        if epoch in (0, self.saved) or not (now or self._is_due()):
            return
        start, args = time.perf_counter(), self.ocp.args
        arrays = _on_host(tree)
        shapes = {name: np.shape(array) for name, array in arrays.items()}
        record = record | {"started": self.started, "made of": self.made_of, "shapes": shapes}
        items = dict(arrays=args.StandardSave(arrays), record=args.JsonSave(record))
        with undisturbed():
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


@contextlib.contextmanager
def undisturbed():
    """An interrupt is heard afterwards: half a save would be in the way of the next."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)
    if heard:
        raise KeyboardInterrupt


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
    if isinstance(path, str | os.PathLike) and str(path):
        return Path(path).expanduser()
    got = "''" if path == "" else f"a {type(path).__name__}"
    raise ValueError(f"{name} must be the name of a place on disk, got {got}")


def _file(path) -> Path:
    path = _path("path", path)
    return path if path.suffix == ".npz" else path.with_name(path.name + ".npz")


def _read(path: Path) -> tuple[dict, dict]:
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            about = json.loads(str(file[ABOUT]))
            types = about["types"]
            arrays = {name: _typed(file[ARRAYS + name], types[name]) for name in types}
            return about["made of"], arrays
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {path}") from None
    except OSError:  # a folder, or not ours to read
        raise
    except Exception as error:  # what a damaged archive raises is of many kinds
        raise ValueError(
            f"{path} is not a file that vc.save wrote, or is damaged ({error})"
        ) from error


def made_of(model) -> dict:
    """What a model is besides its arrays: kinds, sizes, functions by name, in words by place."""
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
        is_array = any(hasattr(leaf, "shape") for leaf in jax.tree.leaves(value))
        if not (name.startswith("_") or name in NOT_COMPARED or is_array):
            words[name] = _word(value)
    return words


def _word(value) -> str:
    """A value in words that are the same in the next process."""
    if isinstance(value, nnx.Module | nnx.Variable):
        return type(value).__name__  # its arrays and its own words say the rest
    if isinstance(value, partial):
        return f"{_word(value.func)} with {_word(value.args)}, {_word(value.keywords)}"
    if isinstance(value, np.ndarray | jax.Array):
        return f"{value.shape} {zlib.crc32(np.ascontiguousarray(value))}"
    if isinstance(value, dict):
        return str({str(name): _word(value[name]) for name in value})
    if isinstance(value, list | tuple | set | frozenset):
        words = [_word(part) for part in value]
        return f"({', '.join(sorted(words) if isinstance(value, set | frozenset) else words)})"
    if name := getattr(value, "__name__", None):
        code = getattr(value, "__code__", None)
        inside = [cell.cell_contents for cell in getattr(value, "__closure__", None) or ()]
        if code is not None and (inside or name == "<lambda>"):
            return f"{name} {code.co_names} {_word(inside)}"
        return name
    if " at 0x" in repr(value) and hasattr(value, "__dict__"):
        return f"{type(value).__name__} {_word(vars(value))}"
    return re.sub(r" at 0x\w+", "", repr(value))


def different_words(old: dict, new: dict) -> str | None:
    """What two models have in common in place and name, but not in kind or value."""
    for place in sorted(old.keys() & new.keys()):
        for name in sorted(old[place].keys() & new[place].keys()):
            if old[place][name] != new[place][name]:
                of = f" of {place}" if place else ""
                return f"the {name}{of} is {old[place][name]} there, and {new[place][name]} here"
    return None


def _what_does_not_fit(arrays: dict, wanted: dict) -> str | None:
    """The array whose type cannot become the wanted one without loss of more than digits."""
    for name, leaf in wanted.items():
        old, new = arrays[name], jax.numpy.result_type(leaf)
        fits = jax.numpy.can_cast(old.dtype, new, "same_kind")
        if fits:
            with np.errstate(over="ignore"):
                cast = old.astype(new)
            is_whole = jax.numpy.issubdtype(new, jax.numpy.integer)
            fits = np.array_equal(cast, old) if is_whole else np.isfinite(cast).all()
        if not fits:
            return f"its {name}, {old.dtype}, has values that {new} does not hold"
    return None


def _plain(array: np.ndarray) -> np.ndarray:
    """Types that NumPy does not write, such as bfloat16, as their bytes."""
    return array if array.dtype.kind in "biufc" else array.view(f"u{array.dtype.itemsize}")


def _typed(array: np.ndarray, name: str) -> np.ndarray:
    wanted = jax.numpy.dtype(name)
    return array if array.dtype == wanted else array.view(wanted)
