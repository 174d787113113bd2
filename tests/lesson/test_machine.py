"""`setup` refuses a stack it cannot trust, in one sentence."""

import importlib
import subprocess
import sys
from importlib import metadata

import pytest
from processes import environment

from vae_course import lesson
from vae_course.lesson import machine


def test_this_jax_computes_right():
    assert machine.computes_right(), "see https://github.com/jax-ml/jax/issues/39103"


def test_setup_prints_one_line_of_versions_and_device(capsys):
    lesson.setup()
    out = capsys.readouterr().out
    assert "jax 0." in out
    assert "device: " in out
    assert out.count("\n") == 1


def test_an_old_package_is_refused_on_import(monkeypatch):
    """Before anything else of the package meets it."""
    installed = metadata.version
    monkeypatch.setattr(
        metadata, "version", lambda name: "0.4.30" if name == "jax" else installed(name)
    )
    for name in [name for name in sys.modules if name.split(".")[0] == "vae_course"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(RuntimeError, match=r"needs jax 0.7.2 or newer and found 0.4.30: on Colab"):
        importlib.import_module("vae_course")
    assert {name for name in sys.modules if name.startswith("vae_course.")} <= {
        "vae_course.versions"
    }


def test_setup_refuses_a_jax_that_computes_wrong_numbers(monkeypatch):
    monkeypatch.setattr(machine, "computes_right", lambda: False)
    with pytest.raises(
        RuntimeError, match="returns wrong numbers on this machine.*install jax 0.10.1 or 0.12.0.1"
    ):
        lesson.setup()


# What jax compiles is kept on disk. A program that says whether it was, and what it computes:

PROGRAM = """
import vae_course as vc
from vae_course import lesson
import jax, jax.numpy as jnp
found = []
jax.monitoring.register_event_listener(lambda event, **_: found.append(event))
lesson.setup()
key = jax.random.key(0)
model = vc.LinearGaussian(jnp.ones((3, 2)), jnp.zeros(3), jnp.float32(1))
x = jax.random.normal(key, (5, 3))
numbers = vc.prior_log_likelihood(model, x, jax.random.key(1), num_samples=1000)
print("hits", found.count("/jax/compilation_cache/cache_hits"))
print(*[float(number).hex() for number in numbers])
"""


def hits_and_numbers(folder, program=PROGRAM, **changes):
    """Of a fresh process that must not write a word to stderr."""
    variables = environment(JAX_COMPILATION_CACHE_DIR=folder, **changes)
    command = [sys.executable, "-W", "error", "-c", program]
    run = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    *_, hits, numbers = run.stdout.splitlines()
    return int(hits.removeprefix("hits ")), numbers


def test_kept_programs_give_the_same_numbers_and_damaged_ones_only_cost_time(tmp_path):
    folder = tmp_path / "ein Ordner für Programme"
    hits, numbers = hits_and_numbers(folder)  # within a run, too, programs come twice
    hits_of_warm, warm = hits_and_numbers(folder)
    assert hits_of_warm > hits + 5
    assert warm == numbers
    (kept,) = folder.iterdir()
    assert metadata.version("jaxlib") in kept.name
    for number, program in enumerate(kept.iterdir()):
        whole = program.read_bytes()
        program.write_bytes([b"", whole[: len(whole) // 2], b"rubbish" * 99][number % 3])
    assert hits_and_numbers(folder) == (0, numbers)  # not even those of this run


def test_where_programs_cannot_be_kept_everything_works():
    assert hits_and_numbers("/dev/null/programs")[0] == 0


def test_where_jax_was_imported_first_loading_programs_is_silent_too(tmp_path):
    program = "import jax" + PROGRAM
    assert hits_and_numbers(tmp_path, program)[1] == hits_and_numbers(tmp_path, program)[1]
