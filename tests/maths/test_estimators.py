"""Estimators against closed forms: unbiased, streamed, and not recompiled."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.special import logsumexp

import vae_course as vc
from vae_course import bounds


def test_log_mean_exp_is_scipys_where_exp_underflows():
    values = jnp.array([[-1000.0, 5.0], [-1001.0, 5.0], [-999.0, 5.0]])
    exact = logsumexp(np.asarray(values, dtype=float), axis=0) - np.log(3)
    np.testing.assert_allclose(vc.log_mean_exp(values), exact, rtol=1e-6)
    np.testing.assert_allclose(vc.log_mean_exp(values, axis=1)[0], 5 - np.log(2), rtol=1e-6)


def test_log_mean_exp_of_impossible_values_is_minus_infinity():
    assert vc.log_mean_exp(jnp.full(4, -jnp.inf)) == -jnp.inf


@pytest.mark.parametrize("shape", [(0, 3), ()])
def test_log_mean_exp_refuses_nothing(shape):
    with pytest.raises(ValueError, match="nothing to average"):
        vc.log_mean_exp(jnp.zeros(shape))


@pytest.mark.parametrize("seed", range(20))
def test_prior_estimate_is_unbiased_for_p(linear_gaussian, seed):
    """mean of p-hat / p over 16 keys: within 4 standard errors of 1, and those under 0.05."""
    rng = np.random.default_rng(seed)
    data_dim, latent_dim = int(rng.integers(1, 6)), int(rng.integers(1, 4))
    model, x = linear_gaussian(seed, data_dim, latent_dim, noise_var=float(rng.uniform(0.8, 3)))
    exact = np.asarray(model.log_likelihood(x), dtype=float)
    keys = jax.random.split(jax.random.key(seed), 16)
    estimates = [vc.prior_log_likelihood(model, x, key, num_samples=20_000) for key in keys]
    # All images share the samples, so average them first: the keys are independent.
    ratios = np.exp(np.asarray(estimates, dtype=float) - exact).mean(axis=1)
    standard_error = ratios.std(ddof=1) / np.sqrt(len(ratios))
    assert standard_error < 0.05
    assert abs(ratios.mean() - 1) < 4 * standard_error + 1e-4  # 1e-4: float32 of log p


def test_the_log_of_the_estimate_is_biased_low(linear_gaussian):
    model, x = linear_gaussian(0, 5, 2)
    keys = jax.random.split(jax.random.key(0), 200)
    estimates = np.asarray([vc.prior_log_likelihood(model, x, key, num_samples=20) for key in keys])
    shortfall = (estimates - np.asarray(model.log_likelihood(x))).mean(axis=1)
    assert shortfall.mean() < -4 * shortfall.std(ddof=1) / np.sqrt(len(keys))


@pytest.mark.parametrize("num_samples", [1, 3, 511, 512, 513, 2000])
def test_streaming_gives_the_average_of_all_samples(num_samples):
    """A decoder that ignores z has p(x | z) = p(x), whatever the number of blocks."""
    model = vc.LinearGaussian(jnp.zeros((3, 2)), jnp.ones(3), jnp.float32(2.0))
    x = jnp.array([[1.0, 2.0, -40.0], [0.0, 0.0, 0.0]])
    estimate = vc.prior_log_likelihood(model, x, jax.random.key(0), num_samples=num_samples)
    np.testing.assert_allclose(estimate, model.log_likelihood(x), rtol=1e-5)


@pytest.mark.parametrize("analytic_kl", [False, True])
def test_one_sample_is_the_default(linear_gaussian, analytic_kl):
    model, x = linear_gaussian(0, 5, 2)
    q = model.best_diagonal(x)
    key = jax.random.key(0)
    one = vc.elbo(model, q, x, jax.random.clone(key), num_samples=1, analytic_kl=analytic_kl)
    np.testing.assert_array_equal(vc.elbo(model, q, x, key, analytic_kl=analytic_kl), one)


def test_a_batch_larger_than_a_block_has_one_sample_a_block(monkeypatch):
    """A decoder that ignores z, with the prior as q, has weights p(x) all."""
    monkeypatch.setattr(bounds, "PAIRS", 4)
    model = vc.LinearGaussian(jnp.zeros((3, 2)), jnp.ones(3), jnp.float32(2.0))
    q = vc.Gaussian(jnp.zeros((5, 2)), jnp.zeros((5, 2)))
    x = jnp.arange(15.0).reshape(5, 3)
    bound = vc.iwae(model, q, x, jax.random.key(0), num_samples=3)
    np.testing.assert_allclose(bound, model.log_likelihood(x), rtol=1e-5)


def test_memory_does_not_grow_with_the_samples():
    decoder = vc.Decoder(2, (8,), 784, rngs=nnx.Rngs(0))

    def temporary_bytes(num_samples):
        graphdef, state = nnx.split(decoder)

        def pure(state, x, key):
            model = nnx.merge(graphdef, state)
            return vc.prior_log_likelihood(model, x, key, num_samples=num_samples)

        compiled = jax.jit(pure).lower(state, jnp.zeros((100, 784)), jax.random.key(0)).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    # A key is 8 bytes a block of 512 samples; logits of a million would be 3 GB.
    assert temporary_bytes(2**20) < temporary_bytes(2**12) + 2**20


def test_a_second_model_of_the_same_shapes_does_not_compile_again():
    x = jnp.zeros((4, 12))
    decoders = [vc.Decoder(2, (5,), 12, rngs=nnx.Rngs(seed)) for seed in range(2)]
    vc.prior_log_likelihood(decoders[0], x, jax.random.key(0), num_samples=30)
    with jax.log_compiles(), pytest.MonkeyPatch.context() as patch:
        calls = []
        patch.setattr(type(decoders[1]), "decode", lambda *a: calls.append(a), raising=True)
        vc.prior_log_likelihood(decoders[1], x, jax.random.key(1), num_samples=30)
    assert calls == []  # Python code runs only while compiling


@pytest.mark.parametrize(
    ("x", "num_samples", "message"),
    [
        (jnp.zeros(784), 10, r"one image is x\[None\]"),
        (jnp.zeros((2, 784), dtype=jnp.uint8), 10, "uint8"),
        (jnp.zeros((2, 784)), 0, "positive integer, got 0"),
        (jnp.zeros((2, 784)), 1e5, "positive integer, got 100000.0"),
        (jnp.zeros((2, 783)), 10, "does not take x with 783 columns"),
    ],
)
def test_bad_input_is_named(x, num_samples, message):
    decoder = vc.Decoder(2, (4,), 784, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=message):
        vc.prior_log_likelihood(decoder, x, jax.random.key(0), num_samples=num_samples)
