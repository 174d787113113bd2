"""`setup` refuses a stack it cannot trust, in one sentence."""

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


def test_setup_refuses_an_old_package(monkeypatch):
    monkeypatch.setattr(machine, "version", lambda name: "0.4.30" if name == "jax" else "9.9.9")
    with pytest.raises(RuntimeError, match=r"needs jax 0.7.2 or newer and found 0.4.30: "):
        vc.setup()


def test_setup_refuses_a_jax_that_computes_wrong_numbers(monkeypatch):
    monkeypatch.setattr(machine, "computes_right", lambda: False)
    with pytest.raises(
        RuntimeError, match="returns wrong numbers on this machine.*install jax 0.10.1"
    ):
        vc.setup()
