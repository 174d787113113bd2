"""`setup` refuses a stack it cannot trust, in one sentence."""

import importlib
import sys
from importlib import metadata

import pytest

import vae_course as vc
from vae_course import machine


def test_this_jax_computes_right():
    assert machine.computes_right(), "see https://github.com/jax-ml/jax/issues/39103"


def test_setup_prints_versions_and_speed(capsys):
    vc.setup()
    out = capsys.readouterr().out
    assert "jax 0." in out
    assert "GFLOP/s" in out


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
        RuntimeError, match="returns wrong numbers on this machine.*install jax 0.10.1"
    ):
        vc.setup()
