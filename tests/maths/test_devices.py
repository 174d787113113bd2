"""Eight devices, and two processes, give one device's numbers, and each holds its own rows."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx
from jax.sharding import AxisType

import vae_course as vc
from vae_course.devices import shared_out

PROGRAM = Path(__file__).parent / "on_devices.py"
ROUNDING = dict(rtol=2e-6, atol=1e-6)  # float32's; sums in another order


def start(*words, devices: int = 1) -> subprocess.Popen:
    flags = f"--xla_force_host_platform_device_count={devices}"
    settings = os.environ | {"XLA_FLAGS": flags, "TQDM_DISABLE": "1", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, PROGRAM, *map(str, words)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=settings, stdout=pipe, stderr=subprocess.STDOUT, text=True)


def finish(process: subprocess.Popen) -> None:
    output = process.communicate(timeout=240)[0]
    assert process.returncode == 0, output


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What one device, eight devices and two processes find; a training of each in a folder."""
    at = tmp_path_factory.mktemp("devices")
    with socket.create_server(("localhost", 0)) as free:
        address = f"localhost:{free.getsockname()[1]}"
    running = [
        start(at / "one.npz", at / "one", 3),
        start(at / "whole.npz", "-", 5),
        start(at / "eight.npz", at / "eight", 3, devices=8),
        *(start(at / "two.npz", at / "two", 3, address, 2, number) for number in (0, 1)),
    ]
    for process in running:
        finish(process)
    for process in [start(at / f"{name} more.npz", at / name, 5) for name in ("eight", "two")]:
        finish(process)
    return {path.stem: dict(np.load(path)) for path in at.glob("*.npz")}


@pytest.mark.parametrize("devices", ["eight", "two"])
def test_the_numbers_are_those_of_one_device(found, devices):
    one, many = found["one"], found[devices]
    assert one.keys() == many.keys()
    for name in one.keys() - {"shards"}:
        np.testing.assert_allclose(many[name], one[name], **ROUNDING, err_msg=name)


@pytest.mark.parametrize(("devices", "count"), [("one", 1), ("eight", 8), ("two", 2)])
def test_each_device_holds_rows_of_its_own(found, devices, count):
    """In the loss, in two measurements, in AIS (walked with two numbers of chains) and the ELBO."""
    fit, iwae, many, ais, elbo = found[devices]["shards"]
    assert fit == iwae == many == elbo == count
    assert ais >= count


@pytest.mark.parametrize("devices", ["eight", "two"])
def test_a_training_kept_by_many_devices_goes_on_with_one(found, devices):
    more, whole = found[f"{devices} more"], found["whole"]
    np.testing.assert_array_equal(more["loss"][:3], found[devices]["loss"])
    assert len(more["loss"]) == 5
    for name in ("loss", "validation_loss", "kernel"):
        np.testing.assert_allclose(more[name], whole[name], **ROUNDING, err_msg=name)


def mesh(*axes):
    return jax.make_mesh((1,), ("data",), axis_types=axes)


def test_explicit_axes_are_refused_in_a_sentence():
    vae = vc.VAE(2, 4, 6, rngs=nnx.Rngs(0))
    x = np.zeros((4, 6), np.float32)
    refused = pytest.raises(ValueError, match="Explicit axes.*AxisType.Auto")
    with jax.set_mesh(mesh(AxisType.Explicit)), refused:
        vc.prior_log_likelihood(vae, x, jax.random.key(0), num_samples=2)


def test_a_mesh_of_one_device_changes_no_bit():
    vae = vc.VAE(2, 4, 6, rngs=nnx.Rngs(0))
    x = np.zeros((4, 6), np.float32)

    def measured():
        return np.asarray(vc.iwae(vae, vae.encode(x), x, jax.random.key(0), num_samples=50))

    alone = measured()
    with jax.set_mesh(mesh(AxisType.Auto)):
        np.testing.assert_array_equal(measured(), alone)


def test_inside_shard_map_rows_are_shared_out_already():
    x = np.ones((4, 2), np.float32)
    with jax.set_mesh(mesh(AxisType.Auto)):
        spec = jax.sharding.PartitionSpec("data")
        double = jax.shard_map(lambda x: 2 * shared_out(x), in_specs=spec, out_specs=spec)
        np.testing.assert_array_equal(jax.jit(double)(x), 2 * x)
