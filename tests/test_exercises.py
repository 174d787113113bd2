"""Every solution in the notebooks passes; every known mistake gets its own diagnosis."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import nbformat
import numpy as np
import pytest
from jax.scipy.special import logsumexp

import vae_course as vc
from vae_course.exercises import EXAMINERS, PRAISE, verdict

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


def cells():
    for path in NOTEBOOKS:
        yield from nbformat.read(path, as_version=4).cells


def solutions():
    """number -> code of the solution, folded beneath the exercise."""
    pattern = r"<!--solution (\S+)-->.*?```python\n(.*?)```"
    text = "\n".join(cell.source for cell in cells() if cell.cell_type == "markdown")
    return dict(re.findall(pattern, text, flags=re.DOTALL))


def stubs():
    """number -> (name of the function, code of the cell that ends in vc.check)."""
    for cell in cells():
        match = re.search(r'^vc\.check\("(\S+)", (\w+)\)', cell.source, flags=re.MULTILINE)
        if cell.cell_type == "code" and match:
            yield match[1], (match[2], cell.source)


def function_of(code, name):
    namespace = {"jax": jax, "jnp": jnp, "np": np, "vc": vc}
    exec(code, namespace)
    return namespace[name]


STUBS = dict(stubs())


def test_every_exercise_has_a_stub_and_a_solution():
    assert set(EXAMINERS) == set(STUBS) == set(solutions())


@pytest.mark.parametrize("number", EXAMINERS)
def test_the_solution_passes(number):
    assert verdict(number, function_of(solutions()[number], STUBS[number][0])) == PRAISE


@pytest.mark.parametrize("number", EXAMINERS)
def test_the_stub_is_not_done_yet(number):
    assert verdict(number, function_of(STUBS[number][1], STUBS[number][0])).startswith(
        "not done yet"
    )


def error_of(values, subtract=True):
    p = jnp.exp(values - (values.max() if subtract else 0))
    return jnp.std(p) / jnp.sqrt(len(p)) / jnp.mean(p)


def table(model, x, z):
    return model.decode(z).log_prob_pairs(x)


def shares(model, x, z, axis=0):
    return jax.nn.softmax(table(model, x, z), axis=axis)


def spread(weights, z):
    squares = jnp.square(z[:, None] - (weights.T @ z)[None])
    return jnp.sqrt(jnp.sum(weights[:, :, None] * squares, axis=0))


def gaussian(x, mean, std, constant=True, scale=True, power=2):
    value = -0.5 * (x - mean) ** 2 / std**power
    return value - scale * np.log(std) - constant * 0.5 * np.log(2 * np.pi)


def components(x, means, std, **choices):
    return gaussian(x[None], means[:, None], std, **choices)


def mixture(x, means, std, **choices):
    return logsumexp(components(x, means, std, **choices), axis=0) - np.log(len(means))


def draws(z=jax.random.normal, noise=True, same_key=False, signal=True):
    """A function that tells the story wrongly, in one of several ways."""

    def generate(model, key, num_samples):
        z_key, x_key = jax.random.split(key)
        drawn = signal * z(z_key, (num_samples, model.latent_dim))
        p = model.decode(drawn)
        if not noise:
            return p.mean
        key = jax.random.clone(z_key) if same_key else x_key
        return p.sample(key, 1)[0]

    return generate


WRONG = [
    ("00.1", lambda v, p: v.mean(), "weigh each value by its probability"),
    ("00.1", lambda v, p: (v * p).mean(), "Do not divide"),
    ("00.2", lambda p: jnp.log(jnp.prod(jnp.array(p))), "underflows"),
    ("00.2", lambda p: np.log10(p).sum(), "log base 10"),
    ("00.2", lambda p: np.log(p).mean(), "average of the logs"),
    ("00.2", lambda p: np.prod(p), "probability itself"),
    ("00.3", lambda x, m, s: gaussian(x, m, s, constant=False), "integrate to 1"),
    ("00.3", lambda x, m, s: gaussian(x, m, s, scale=False), "-log(std) is missing"),
    ("00.3", lambda x, m, s: gaussian(x, m, s, power=1), "the variance, belongs"),
    ("00.3", lambda x, m, s: np.exp(gaussian(x, m, s)), "density itself"),
    ("00.3", lambda x, m, s: gaussian(x, m, s).sum(), "has shape (5,)"),
    ("00.4", lambda w, x, y: 2 * (w * x - y), "inner derivative"),
    ("00.4", lambda w, x, y: (w * x - y) * x, "The 2 is missing"),
    ("00.4", lambda w, x, y: 2 * (w * x - y) * w, "with respect to x"),
    ("00.4", lambda w, x, y: 2 * (y - w * x) * x, "turned round"),
    ("01.1", lambda x, m, s: logsumexp(components(x, m, s), axis=0), "log of the sum"),
    ("01.1", lambda x, m, s: components(x, m, s).mean(axis=0), "average of the logs"),
    (
        "01.1",
        lambda x, m, s: jnp.log(jnp.exp(components(x, m, s)).mean(axis=0)),
        "every density underflows",
    ),
    ("01.1", lambda x, m, s: mixture(x, m, s, constant=False), "-log(2π)/2 is missing"),
    ("01.1", lambda x, m, s: mixture(x, m, s, scale=False), "-log(std) is missing"),
    ("01.2", draws(noise=False), "without its noise"),
    ("01.2", draws(signal=False), "do not depend on z"),
    ("01.2", draws(z=jax.random.uniform), "z look uniform"),
    ("01.2", draws(same_key=True), "are the same numbers"),
    ("01.2", lambda m, key, n: draws()(m, key, n) + 1.0, "mean of your x"),
    ("01.2", lambda m, key, n: draws()(m, key, n)[None], "one row for each sample"),
    ("02.1", lambda v: error_of(v) * jnp.sqrt(len(v)), "spread of single samples"),
    ("02.1", lambda v: jnp.std(v) / jnp.sqrt(len(v)), "spread of the log values"),
    ("02.1", lambda v: error_of(v) * jnp.mean(jnp.exp(v - v.max())), "divide by p-hat"),
    ("02.1", lambda v: error_of(v, subtract=False), "Subtract the largest before exp"),
    ("02.1", lambda v: jnp.broadcast_to(error_of(v), (3,)), "yours has shape (3,)"),
    ("02.1", lambda v: 0.5, "you return 0.5"),
    ("02.1", lambda v: v.no_such_method(), "stopped with AttributeError"),
    ("02.2", lambda m, x, z: spread(shares(m, x, z), z) ** 2, "take its square root"),
    ("02.2", lambda m, x, z: jnp.sqrt(shares(m, x, z).T @ z**2), "subtract it from z"),
    ("02.2", lambda m, x, z: spread(shares(m, x, z, axis=1), z), "over the images"),
    ("02.2", lambda m, x, z: spread(jnp.exp(table(m, x, z)), z), "divide by its sum"),
    ("02.2", lambda m, x, z: jnp.tile(z.std(0), (len(x), 1)), "plain spread of z"),
    ("02.2", lambda m, x, z: shares(m, x, z), "shape (batch, latent_dim)"),
    ("02.2", lambda m, x, z: jnp.zeros((len(x), z.shape[1])), "largest difference"),
]


@pytest.mark.parametrize(("number", "wrong", "diagnosis"), WRONG)
def test_a_known_mistake_gets_its_own_diagnosis(number, wrong, diagnosis):
    answer = verdict(number, wrong)
    assert answer != PRAISE
    assert diagnosis in answer


def test_every_exercise_has_two_known_mistakes():
    for number in EXAMINERS:
        assert len({message for n, _, message in WRONG if n == number}) >= 2


def test_an_unknown_number_gets_the_list():
    with pytest.raises(ValueError, match=r"'99.1': there are 00.1, "):
        vc.check("99.1", print)
