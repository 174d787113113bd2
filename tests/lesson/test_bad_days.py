"""A learner's bad days, each in a process of its own, as it would happen."""

import os
import sys

import mnist_server
import numpy as np
import pytest
from processes import LESSON, python

# No home: even an administrator, who may write everywhere, cannot make this folder.
FOLDERS = ["VAE_COURSE_DATA", "MPLCONFIGDIR", "JAX_COMPILATION_CACHE_DIR"]
FOLDERS += [name for name in os.environ if name.startswith("XDG_")]
NO_HOME = dict.fromkeys(FOLDERS) | {"HOME": "/dev/null/home"}


def test_without_a_home_and_in_any_folder_a_lesson_runs_and_leaves_nothing(tmp_path):
    printed = python(LESSON, cwd=tmp_path, **NO_HOME)
    assert "STAND-IN" in printed
    assert "A digit." in printed
    assert list(tmp_path.iterdir()) == []


def test_without_a_home_a_download_is_used_and_not_kept(tmp_path, serve):
    _, registered = mnist_server.serve_small_mnist(tmp_path, serve)
    code = f"""
import vae_course as vc
vc.data.registered = lambda name: {registered!r}
print(vc.load("mnist").train_images.shape)
"""
    printed = python(code, http_proxy=None, https_proxy=None, no_proxy=None, **NO_HOME)
    assert "(30, 784)" in printed
    assert "could not keep a copy" in printed


def test_a_new_process_without_a_network_has_the_stand_in_within_ten_seconds(tmp_path):
    code = """
import time, vae_course as vc
start = time.monotonic()
print(vc.load("mnist").name, time.monotonic() - start)
"""
    name, seconds = python(code, VAE_COURSE_DATA=tmp_path).split()[-2:]
    assert name == "digits"
    assert float(seconds) < 10


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no way to keep to one core")
def test_one_core_is_enough(tmp_path):
    one = "import os\nos.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    count = "print(len(os.sched_getaffinity(0)), 'core')\n"
    assert "1 core\n" in python(one + LESSON + count, VAE_COURSE_DATA=tmp_path)


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
    printed = python(limit + LESSON + size, VAE_COURSE_DATA=tmp_path)
    assert "limited" in printed
    assert str(70_000 * 784 * 4) in printed
