"""`save` and `load_model`: the same numbers again, or a sentence; nothing that could run."""

import contextlib
import pickle
import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import vae_course as vc
from vae_course import saving

X = np.random.default_rng(0).integers(0, 2, (5, 12)).astype(np.float32)


def vae(seed=0, **options):
    return vc.VAE(2, (7,), 12, rngs=seed, **options)


def measured(model):
    return np.asarray(vc.iwae(model, model.encode(X), X, jax.random.key(0), num_samples=9))


class Own(nnx.Module):
    """What people bring: lists, batch norm, dropout, a type that NumPy does not know, a prior."""

    def __init__(self, seed):
        rngs = nnx.Rngs(seed)
        self.hidden = [7, 7]
        self.layers = nnx.data([nnx.Linear(3, 3, rngs=rngs), nnx.Linear(3, 3, rngs=rngs)])
        self.norm, self.dropout = nnx.BatchNorm(3, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)
        self.half = nnx.Param(jax.random.normal(rngs(), (3,), jnp.bfloat16))
        self.count = nnx.Variable(jnp.array(seed))
        self.weight = 0.5 if seed < 90 else 0.25


@pytest.mark.parametrize("name", ["model.npz", "model", "a folder/of.its/own"])
def test_a_model_comes_back(tmp_path, name):
    model, other = vae(0), vae(1)
    vc.save(tmp_path / name, model)
    assert vc.load_model(tmp_path / name, other) is other
    np.testing.assert_array_equal(measured(other), measured(model))


def test_all_that_a_model_holds_comes_back(tmp_path):
    model, other = Own(3), Own(4)
    model.dropout(jnp.ones(3)), model.norm(jnp.ones((2, 3)))
    vc.save(tmp_path / "own", model)
    other.eval()  # a mode is no part of a model
    vc.load_model(tmp_path / "own", other)
    for a, b in zip(
        *(saving.named_arrays(nnx.state(m)).values() for m in (model, other)), strict=True
    ):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(np.asarray(a, float), np.asarray(b, float))
    np.testing.assert_array_equal(
        jax.random.uniform(model.dropout.rngs()), jax.random.uniform(other.dropout.rngs())
    )


class Values(nnx.Module):
    """Names that flax uses inside its variables."""

    def __init__(self, start):
        self.kernel = nnx.Param(jnp.full(2, start))
        self.value = nnx.Linear(1, 2, rngs=nnx.Rngs(start))
        self.raw_value = nnx.Param(jnp.full(2, start + 0.5))


def test_arrays_whose_names_flax_uses_too_come_back(tmp_path):
    model, other = Values(1), Values(2)
    vc.save(tmp_path / "values", model)
    vc.load_model(tmp_path / "values", other)
    np.testing.assert_array_equal(other.value.kernel[...], model.value.kernel[...])
    np.testing.assert_array_equal(other.kernel[...], [1, 1])
    np.testing.assert_array_equal(other.raw_value[...], [1.5, 1.5])


def test_a_dataclass_of_arrays_comes_back(tmp_path):
    model = vc.LinearGaussian(np.ones((3, 2)), np.arange(3.0), 0.5)
    vc.save(tmp_path / "linear", model)
    found = vc.load_model(
        tmp_path / "linear", vc.LinearGaussian(np.zeros((3, 2)), np.zeros(3), 1.0)
    )
    np.testing.assert_array_equal(
        found.log_likelihood(np.ones((1, 3))), model.log_likelihood(np.ones((1, 3)))
    )


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (vc.VAE(2, (8,), 12, rngs=0), r"out_features of \S+ is 7 there, and 8 here"),
        (vc.VAE(3, (7,), 12, rngs=0), "is . there, and . here"),
        (
            vc.VAE(2, (7, 7), 12, rngs=0),
            r"out_features of decoder.mlp.layers.1 is 12 there, and 7 here",
        ),
        (vc.Decoder(2, (7,), 12, rngs=0), "the kind is VAE there, and Decoder here"),
        (vae(activation=jnp.tanh), "the activation of .* is silu there, and tanh here"),
        (
            vae(likelihood=vc.distributions.ContinuousBernoulli),
            "likelihood of decoder is Bernoulli",
        ),
        (Own(0), "the kind is VAE there, and Own here"),
        (vc.LinearGaussian(np.ones((3, 2)), np.zeros(3), 1.0), "and LinearGaussian here"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_another_models_file_is_refused_and_nothing_changes(tmp_path, other, message):
    vc.save(tmp_path / "vae", vae())
    state = other if isinstance(other, vc.LinearGaussian) else nnx.state(other)
    before = [np.asarray(a, float) for a in saving.named_arrays(state).values()]
    with pytest.raises(ValueError, match=f"vae.npz holds another model: .*{message}"):
        vc.load_model(tmp_path / "vae", other)
    state = other if isinstance(other, vc.LinearGaussian) else nnx.state(other)
    for a, b in zip(before, saving.named_arrays(state).values(), strict=True):
        np.testing.assert_array_equal(a, np.asarray(b, float))


def test_what_no_array_says_is_compared_too(tmp_path):
    vc.save(tmp_path / "own", Own(0))
    with pytest.raises(ValueError, match="the weight is 0.5 there, and 0.25 here"):
        vc.load_model(tmp_path / "own", Own(99))
    noisy = partial(vc.VAE, 2, (7,), 12, rngs=0)
    vc.save(tmp_path / "noisy", noisy(likelihood=vc.likelihoods.FixedGaussian(0.1)))
    with pytest.raises(
        ValueError, match="likelihood of decoder is .*0.1.* there, and .*0.2.* here"
    ):
        vc.load_model(tmp_path / "noisy", noisy(likelihood=vc.likelihoods.FixedGaussian(0.2)))


class Scaled:
    """A likelihood of one's own that is no module and no dataclass."""

    def __init__(self, scale):
        self.scale = scale

    def __call__(self, outputs):
        return vc.Bernoulli(self.scale * outputs)


def times(factor):
    return lambda x: factor * jnp.tanh(x)


def power(x, exponent):
    return x**exponent


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (dict(activation=lambda x: jnp.tanh(x)), dict(activation=lambda x: jnp.sin(x))),
        (dict(activation=times(1.0)), dict(activation=times(2.0))),
        (dict(activation=partial(power, exponent=2)), dict(activation=partial(power, exponent=3))),
        (dict(likelihood=Scaled(1.0)), dict(likelihood=Scaled(2.0))),
        (dict(likelihood=Scaled(np.arange(5000.0))), dict(likelihood=Scaled(np.ones(5000)))),
    ],
    ids=["lambdas", "closures", "partials", "objects", "long arrays"],
)
def test_what_functions_and_objects_hold_is_compared(tmp_path, one, other):
    vc.save(tmp_path / "vae", vae(**one))
    vc.load_model(tmp_path / "vae", vae(**one))
    with pytest.raises(ValueError, match="vae.npz holds another model"):
        vc.load_model(tmp_path / "vae", vae(**other))


class Box(nnx.Module):
    def __init__(self, **arrays):
        for name, array in arrays.items():
            setattr(self, name, nnx.Param(jnp.asarray(array)))


def test_any_name_will_do_and_types_change_where_nothing_is_lost(tmp_path):
    path = tmp_path / "box"
    vc.save(path, Box(file=[1.0, 2.5], about=np.arange(3)))
    found = vc.load_model(path, Box(file=jnp.zeros(2, jnp.float16), about=jnp.zeros(3)))
    np.testing.assert_array_equal(found.file[...], [1, 2.5])
    with pytest.raises(ValueError, match="its file, float32, has values that int32 does not"):
        vc.load_model(path, Box(file=jnp.zeros(2, int), about=jnp.zeros(3)))
    vc.save(path, Box(file=[1e6]))
    with pytest.raises(ValueError, match="its file, float32, has values that float16 does not"):
        vc.load_model(path, Box(file=jnp.zeros(1, jnp.float16)))
    vc.save(path, Box(file=[300]))
    with pytest.raises(ValueError, match="values that int8 does not hold"):
        vc.load_model(path, Box(file=jnp.zeros(1, jnp.int8)))


def test_half_precision_in_a_file_fills_a_model_of_float32(tmp_path):
    model = vae()
    half = jax.tree.map(lambda a: a.astype(jnp.float16), nnx.state(model))
    nnx.update(model, half)
    vc.save(tmp_path / "half", model)
    found = vc.load_model(tmp_path / "half", vae(1))
    kernel = found.decoder.mlp.layers[0].kernel[...]
    assert kernel.dtype == jnp.float32
    np.testing.assert_array_equal(kernel, half["decoder"]["mlp"]["layers"][0]["kernel"][...])


def test_files_of_others_are_refused(tmp_path):
    path = tmp_path / "file.npz"
    with pytest.raises(FileNotFoundError, match="there is no file .*file.npz"):
        vc.load_model(path, vae())
    vc.save(path, vae())
    good = path.read_bytes()
    for content in (b"", b"PK", b"hello", good[: len(good) // 2], pickle.dumps({})):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="not a file that vc.save wrote, or is damaged"):
            vc.load_model(path, vae())
    for place in range(40, len(good), len(good) // 60):  # a bit that has fallen over
        path.write_bytes(good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :])
        with contextlib.suppress(ValueError):  # where it is not in a number, it is found
            vc.load_model(path, vae())
    np.savez(path, kernel=np.ones(3))
    with pytest.raises(ValueError, match="not a file that vc.save wrote"):
        vc.load_model(path, vae())


def test_nothing_in_a_file_can_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return print, ("it ran",)

    path = tmp_path / "trap.npz"
    vc.save(path, vae())
    with np.load(path) as file:
        arrays = dict(file)
    name = "arrays/decoder.mlp.layers.0.bias"
    assert name in arrays
    np.savez(path, **arrays | {name: np.array([Trap()], dtype=object)})
    with pytest.raises(ValueError, match="not a file that vc.save wrote, or is damaged"):
        vc.load_model(path, vae())


def test_a_model_that_is_not_finite_is_not_written_over_a_good_one(tmp_path):
    path, model = tmp_path / "model.npz", vae()
    vc.save(path, model)
    good = path.read_bytes()
    bias = model.decoder.mlp.layers[0].bias
    bias[...] = bias[...].at[3].set(jnp.nan)
    with pytest.raises(
        ValueError, match=r"VAE.decoder.mlp.layers.0.bias is nan in row 3: nothing was"
    ):
        vc.save(path, model)
    own = Own(0)
    own.half[...] = own.half[...].at[1].set(jnp.nan)
    with pytest.raises(ValueError, match="Own.half is nan in row 1"):
        vc.save(path, own)
    assert path.read_bytes() == good


def test_a_write_that_fails_leaves_the_earlier_file(tmp_path, monkeypatch):
    path = tmp_path / "model.npz"
    vc.save(path, vae())
    good = path.read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saving.os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        vc.save(path, vae(1))
    assert path.read_bytes() == good
    assert list(tmp_path.iterdir()) == [path]


def test_arguments_in_the_wrong_order_are_named(tmp_path):
    with pytest.raises(ValueError, match="path must be the name of a place on disk, got a VAE"):
        vc.save(vae(), tmp_path)
    with pytest.raises(ValueError, match="got a VAE"):
        vc.load_model(vae(), tmp_path / "model")


def test_the_models_that_come_with_the_course_are_what_their_cards_say():
    """On every tenth test image: within five of its standard errors."""
    data = vc.load("mnist")
    generator, own = vc.trained.generator(), vc.trained.vae()
    x = vc.binarize(data.test_images, jax.random.key(0))[::10]
    card = (vc.trained.FOLDER / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"log p\(x\) \|(.*) ± (.*) \|(.*) ± (.*) \|", card)
    for model, mean, error in zip((generator, own), line[::2], line[1::2], strict=True):
        assert jax.tree.leaves(nnx.state(model))[0].dtype == jnp.float32
        measured = vc.grid_log_likelihood(model, x).mean()
        if not data.is_stand_in:
            assert abs(measured - float(mean)) < 5 * float(error) * 10**0.5
    assert (vc.elbo(own, own.encode(x), x, jax.random.key(1)) < 0).all()
