"""Arrays of any shape, type and value into every public function: a right number, or a sentence."""

import os
import traceback
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import special, stats

import vae_course as vc
from vae_course.distributions import Categorical, ContinuousBernoulli, Mixture

EXAMPLES = int(os.environ.get("VAE_COURSE_FUZZ", 25))  # of each function
SHAPES = [
    (), (0,), (1,), (2,), (3,), (7,), (0, 3), (3, 0), (1, 1), (1, 3), (2, 3), (3, 2), (3, 3),
    (5, 3), (7, 2), (1, 2, 3), (2, 3, 3), (4, 1, 3), (2, 2, 2, 1), (3, 1),
]  # fmt: skip
DTYPES = ["f2", "f4", "f8", "i1", "i4", "i8", "u1", "u4", "?", "c8", "O", "U8"]
VALUES = [0, 1, -1, 0.5, 1.0000001, 1.5, 3, 255, -40, 1e-30, 1e30, 1e300, np.nan, np.inf, -np.inf]
DECODER = vc.Decoder(2, (4,), 3, rngs=nnx.Rngs(0))
LINEAR = vc.LinearGaussian(jnp.array([[1.0, 0], [0, 2], [1, 1]]), jnp.zeros(3), jnp.float32(0.5))


@st.composite
def several(draw, shapes):
    """Arrays that fit together, of `shapes`; or of any shapes and types."""
    if draw(st.booleans()):
        return tuple([draw(arrays((shape,), DTYPES[1:3])) for shape in draw(shapes)])
    return tuple([draw(arrays(SHAPES, DTYPES)) for _ in draw(shapes)])


@st.composite
def arrays(draw, shapes, dtypes):
    """An array: mostly harmless numbers, and often one value that is not."""
    shape, dtype = draw(st.sampled_from(shapes)), draw(st.sampled_from(dtypes))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    kind = draw(st.sampled_from(["ones", "halves", "ones and zeros", "unit interval", "normal"]))
    values = {
        "ones": lambda: np.eye(*shape) if len(shape) == 2 else np.ones(shape),
        "halves": lambda: np.full(shape, 0.5),
        "ones and zeros": lambda: (rng.random(shape) < 0.5).astype(float),
        "unit interval": lambda: rng.random(shape),
        "normal": lambda: rng.normal(size=shape),
    }[kind]()
    values = np.array(values)
    if values.size and draw(st.booleans()):
        values.flat[draw(st.integers(0, values.size - 1))] = draw(st.sampled_from(VALUES))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array = values.astype(dtype)
    return array.tolist() if draw(st.integers(0, 4)) == 0 else array


def exact_gaussian(q, x):
    std = np.exp(0.5 * np.float64(q.log_var))
    x = np.float64(jnp.asarray(x, jnp.float32))  # as close as it is given
    return stats.norm.logpdf(x, np.float64(q.mean), std).sum(axis=-1)


def exact_bernoulli(p, x):
    x, logits = np.float64(x), np.float64(p.logits)
    inside = ((x >= -1e-5) & (x <= 1 + 1e-5)).all(axis=-1)
    values = (x * logits - np.logaddexp(0, logits)).sum(axis=-1)
    return np.where(inside, values, -np.inf)


def exact_kl(mean, log_var):
    q = vc.Gaussian(mean, log_var)
    mean, log_var = np.float64(q.mean), np.float64(q.log_var)
    return 0.5 * (np.expm1(log_var) - log_var + mean**2).sum(axis=-1)


def exact_size(log_weights):
    total = special.logsumexp(log_weights, axis=0)
    return np.exp(2 * total - special.logsumexp(2 * log_weights, axis=0))


def fit(data):
    def loss(model, x, key):
        x = x.reshape(len(x), -1).astype(jnp.float32)
        return jnp.mean(jnp.square(x)) + model.bias[...].sum() ** 2, {}

    model = nnx.Linear(2, 2, rngs=nnx.Rngs(0))
    return vc.fit(model, loss, data, key=jax.random.key(0), num_epochs=1, batch_size=1, tx=TX)[
        "loss"
    ]


TX = optax.sgd(0.01)
PRIOR = vc.standard_normal(2)


def own(x):
    if np.ndim(x) == 0 or not len(x):
        return PRIOR
    return vc.Gaussian(jnp.zeros((len(x), 2)), jnp.zeros((len(x), 2)))


FUNCTIONS = {  # name -> (function of arrays, how many)
    "Gaussian": (lambda m, v: vc.Gaussian(m, v).mean, 2),
    "Gaussian.log_prob": (lambda m, v, x: vc.Gaussian(m, v).log_prob(x), 3),
    "Gaussian.pairwise": (lambda m, v, x: vc.Gaussian(m, v).pairwise_log_prob(x), 3),
    "Bernoulli.log_prob": (lambda p, x: vc.Bernoulli(p).log_prob(x), 2),
    "Bernoulli.pairwise": (lambda p, x: vc.Bernoulli(p).pairwise_log_prob(x), 2),
    "ContinuousBernoulli": (lambda p, x: ContinuousBernoulli(p).log_prob(x), 2),
    "Categorical": (lambda p, x: Categorical(p).log_prob(x), 2),
    "MultivariateNormal": (lambda m, c, x: vc.MultivariateNormal(m, c).log_prob(x), 3),
    "Mixture": (lambda w: Mixture((PRIOR, PRIOR), w).log_prob(jnp.zeros(2)), 1),
    "kl_divergence": (lambda m, v: vc.kl_divergence(vc.Gaussian(m, v), PRIOR), 2),
    "log_mean_exp": (vc.log_mean_exp, 1),
    "effective_sample_size": (vc.effective_sample_size, 1),
    "active_units": (lambda m: vc.active_units(vc.Gaussian(m, m)), 1),
    "binarize": (lambda x: vc.binarize(x, jax.random.key(0)), 1),
    "fit": (fit, 1),
    "log_weights": (
        lambda x: vc.log_weights(DECODER, own(x), x, jax.random.key(0), num_samples=2),
        1,
    ),
    "elbo": (lambda x: vc.elbo(DECODER, PRIOR, x, jax.random.key(0)), 1),
    "iwae": (lambda x: vc.iwae(DECODER, own(x), x, jax.random.key(0), num_samples=2), 1),
    "iwae, any q": (
        lambda m, v: vc.iwae(DECODER, vc.Gaussian(m, v), ONES, jax.random.key(0), num_samples=2),
        2,
    ),
    "prior": (lambda x: vc.prior_log_likelihood(DECODER, x, jax.random.key(0), num_samples=2), 1),
    "evaluate": (
        lambda x: vc.evaluate(DECODER, PRIOR, x, jax.random.key(0), num_samples=2).mean,
        1,
    ),
    "grid_log_likelihood": (lambda x: vc.grid_log_likelihood(DECODER, x), 1),
    "grid_posterior": (lambda x: np.exp(vc.grid_posterior(DECODER, x)[1]), 1),
    "fit_posterior": (
        lambda x: vc.fit_posterior(DECODER, PRIOR, x, jax.random.key(0), num_steps=20).mean,
        1,
    ),
    "ais": (lambda x: vc.ais(DECODER, PRIOR, x, jax.random.key(0), num_steps=2, num_chains=2), 1),
    "reverse_ais": (
        lambda x, z: vc.reverse_ais(DECODER, PRIOR, x, z, jax.random.key(0), num_steps=2),
        2,
    ),
    "linear": (lambda x: LINEAR.log_likelihood(x), 1),
    "linear posterior": (lambda x: LINEAR.posterior(x).mean, 1),
    "linear elbo": (lambda m, v: LINEAR.exact_elbo(vc.Gaussian(m, v), ONES), 2),
    "linear, any": (
        lambda w, b, x: vc.LinearGaussian(w, b, 0.5).log_likelihood(x),
        3,
    ),
    "VAE": (lambda h: vc.VAE(2, h, 3, rngs=0).latent_dim, 1),
    "mean_image": (lambda m: vc.Decoder(2, 4, 3, mean_image=m, rngs=0).latent_dim, 1),
}
ONES = jnp.ones((2, 3))
FITTING = {  # shapes that fit together, where they are not several of (3,), or (2, 3) and alike
    "fit": [((2, 2),), ((5, 2),)],
    "linear, any": [((3, 2), (3,), (4, 3)), ((1, 1), (1,), (2, 1))],
    "linear elbo": [((2, 2), (2, 2))],
    "iwae, any q": [((2, 2), (2, 2)), ((2,), (2,))],
    "kl_divergence": [((2,), (2,)), ((5, 2), (5, 2))],
    "mean_image": [((3,),)],
    "Mixture": [((2,),)],
    "MultivariateNormal": [((3,), (3, 3), (5, 3)), ((2,), (2, 2), (2,))],
    "Categorical": [((2, 3), (2,)), ((4, 3, 2), (3,))],
    "reverse_ais": [((2, 3), (2, 2))],
    "VAE": [((),), ((2,),)],
}
EXACT = {
    "kl_divergence": lambda m, v: exact_kl(m, v),
    "effective_sample_size": lambda v: exact_size(np.float64(v)),
    "Gaussian.log_prob": lambda m, v, x: exact_gaussian(vc.Gaussian(m, v), x),
    "Bernoulli.log_prob": lambda p, x: exact_bernoulli(vc.Bernoulli(p), x),
    "log_mean_exp": lambda v: special.logsumexp(np.float64(v), axis=0) - np.log(len(v)),
}


def is_a_sentence(error: Exception) -> bool:
    """One line, raised by the course itself and not somewhere below it."""
    last = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
    ours = last.is_relative_to(Path(vc.__file__).parent)
    return isinstance(error, (ValueError, TypeError)) and ours and "\n" not in str(error)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_right_number_or_a_sentence(name):
    function, count = FUNCTIONS[name]
    shapes = FITTING.get(name, [((3,),) * count, ((2, 3),) * count, ((5, 3),) * count])
    answered = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=HealthCheck,
    )
    @given(several(st.sampled_from(shapes)))
    def one(inputs):
        with jax.numpy_rank_promotion("allow"):
            try:
                found = function(*inputs)
            except Exception as error:  # any: it is what is looked at
                if is_a_sentence(error):
                    return
                raise
            found = np.asarray(found)
            outside = name.startswith(("Bernoulli", "Cont", "Cat", "log_", "log_mean"))
            right = np.isfinite(found) | ((found == -np.inf) & outside)
            assert right.all(), found
            if name in EXACT:
                with np.errstate(all="ignore"):
                    expected = EXACT[name](*inputs)
                np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-4)
            answered.append(inputs)

    one()
    assert answered  # something is taken, or nothing has been tried
