"""A learner's bad days, each in a process or a Jupyter kernel of its own, as it would happen.

VAE_COURSE_TWICE=all (or 03,07) runs those lessons twice cell by cell, and not only the first.
"""

import os
import sys
from pathlib import Path

import kernels
import mnist_server
import numpy as np
import pytest
from kernels import FIGURE, FIT, LESSON, code_of, python

from vae_course import download

ROOT = Path(__file__).parent.parent
TWICE = os.environ.get("VAE_COURSE_TWICE", "00")
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TO_RUN_TWICE = [
    path for path in LESSONS if TWICE == "all" or path.stem.split("_")[0] in TWICE.split(",")
]


# No home: even an administrator, who may write everywhere, cannot make this folder.

FOLDERS = ["VAE_COURSE_DATA", "MPLCONFIGDIR", "JAX_COMPILATION_CACHE_DIR"]
FOLDERS += [name for name in os.environ if name.startswith("XDG_")]
NO_HOME = dict.fromkeys(FOLDERS) | {"HOME": "/dev/null/home"}


def test_without_a_home_a_lesson_runs():
    printed = python(LESSON + FIT + FIGURE, **NO_HOME)
    assert "STAND-IN" in printed
    assert "Figure(" in printed


def test_without_a_home_a_download_is_used_and_not_kept(tmp_path, serve, monkeypatch):
    mnist_server.serve_small_mnist(tmp_path, serve, monkeypatch, mnist_server.Files)
    infos = [(url, i.size, i.checksum, i.filename) for url, i in download.url_infos("").items()]
    code = f"""
from tensorflow_datasets.core.download.checksums import UrlInfo
import vae_course as vc
from vae_course import download
infos = {{url: UrlInfo(*info) for url, *info in {infos!r}}}
download.url_infos = lambda name: infos
print(vc.load("mnist").train_images.shape)
"""
    printed = python(code, http_proxy=None, https_proxy=None, no_proxy=None, **NO_HOME)
    assert "(30, 784)" in printed
    assert "Could not keep a copy" in printed


# One core, and little memory.


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no way to keep to one core")
def test_one_core_is_enough(tmp_path):
    one = "import os\nos.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    count = "print(len(os.sched_getaffinity(0)), 'core')\n"
    printed = python(one + LESSON + FIT + count, VAE_COURSE_DATA=tmp_path)
    assert "STAND-IN" in printed
    assert "1 core\n" in printed


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what a process allocates")
def test_three_gigabytes_are_enough_for_all_of_mnist(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 60_000), ("test", 10_000)):
        arrays[f"x_{part}"] = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        arrays[f"y_{part}"] = np.zeros(count, np.uint8)
    np.savez(tmp_path / "mnist.npz", **arrays)
    limit = """
import resource, numpy
resource.setrlimit(resource.RLIMIT_DATA, (3 * 10**9, 3 * 10**9))
try:
    numpy.ones(3 * 10**9, numpy.uint8)
except MemoryError:
    print("limited")
"""
    size = "print(data.train_images.nbytes + data.test_images.nbytes)\n"
    printed = python(limit + LESSON + size + FIT, VAE_COURSE_DATA=tmp_path)
    assert "limited" in printed
    assert str(70_000 * 784 * 4) in printed


# In a kernel: another folder, interruptions, cells run twice.


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def cells(folder, tmp_path_factory):
    """A kernel in an empty folder, without data, in which the lesson's model is ready."""
    cache = tmp_path_factory.mktemp("cache")
    with kernels.kernel(folder, VAE_COURSE_DATA=cache, **kernels.OFFLINE) as started:
        started.check(LESSON)
        yield started


def test_another_working_folder_is_no_obstacle_and_stays_empty(cells, folder):
    cells.check(code_of(LESSONS[0])[0])
    cells.check('assert vc.recorded("curse_table")["rows"]\nassert vc.load("mnist").is_stand_in')
    cells.check(FIT + FIGURE)
    assert cells.check("import os; os.getcwd()").value == repr(str(folder))
    assert list(folder.iterdir()) == []


WATCHED = """
def parameters():
    return [np.array(leaf) for leaf in jax.tree.leaves(nnx.state(model))]


model, seen = new_model(), []
initial = parameters()


def watch(epoch, model):
    seen.append(parameters())
    print("epoch", epoch, "has ended", flush=True)


def check_model(expected):
    for now, then in zip(parameters(), expected, strict=True):
        np.testing.assert_array_equal(now, then)
        assert np.isfinite(now).all()
    x = vc.binarize(data.test_images[:5], jax.random.key(0))
    assert jnp.isfinite(vc.prior_log_likelihood(model, x, jax.random.key(1), num_samples=10)).all()


def check_training():
    key = jax.random.key(2)
    loss = vc.fit(model, loss_fn, data.train_images, key=key, num_epochs=2, **options)["loss"]
    assert loss[1] < loss[0]
"""
LONG_FIT = """
vc.fit(
    model, loss_fn, data.train_images, key=jax.random.key(3), num_epochs=1000, **options,
    on_epoch_end=watch,
)
"""


def test_training_interrupted_between_epochs_leaves_the_last_whole_epoch(cells):
    cells.check(WATCHED)
    cells.start(LONG_FIT)
    cells.wait_for("epoch 1 has ended")
    assert cells.interrupt().error == "KeyboardInterrupt"
    cells.check("check_model(seen[-1])")
    assert cells.run("check_model(initial)").error == "AssertionError"
    cells.check("check_training()")


SLOW_TO_COMPILE = """
import time


def loss_fn(model, images, key, quick=loss_fn):
    print("compiling", flush=True)  # runs only then
    time.sleep(1)
    return quick(model, images, key)
"""


def test_training_interrupted_while_it_compiles_leaves_the_model_as_it_was(cells):
    cells.check(WATCHED + SLOW_TO_COMPILE)
    cells.start(LONG_FIT)
    cells.wait_for("compiling")
    assert cells.interrupt().error == "KeyboardInterrupt"
    cells.check("assert not seen\ncheck_model(initial)\ncheck_training()")


def complaints_of_running_twice(cells, sources):
    for number, source in enumerate(sources, start=1):
        once, again = cells.run(source), cells.run(source)
        for which, ran in (("", once), (" again", again)):
            if ran.error:
                yield f"cell {number}{which}: {ran.error}: {ran.traceback[-500:]}"
        if again.lasting != once.lasting:
            yield f"cell {number} prints first\n{once.lasting}\nand then\n{again.lasting}"


@pytest.mark.parametrize("path", TO_RUN_TWICE, ids=lambda path: path.stem)
def test_a_cell_run_twice_gives_the_same_again(path, tmp_path):
    with kernels.kernel(path.parent, VAE_COURSE_DATA=tmp_path, **kernels.OFFLINE) as started:
        complaints = list(complaints_of_running_twice(started, code_of(path)))
    assert not complaints, "\n\n".join(complaints)
