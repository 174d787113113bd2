"""The best q for each x, and where the gap between log p(x) and the ELBO goes; in nats.

`fit_posterior` searches; the other functions measure, and return NumPy's numbers.
"""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from vae_course.bounds import (
    Proposal,
    check,
    elbo,
    elbo_terms,
    facts_of,
    iwae,
    look_at,
    part_key,
)
from vae_course.checks import (
    evaluation_mode,
    float_array,
    is_concrete,
    matrix,
    positive_integer,
    positive_number,
    supported,
)
from vae_course.compiling import Split, compiled
from vae_course.distributions import Gaussian
from vae_course.models import Model
from vae_course.streaming import paced

ADAM = optax.scale_by_adam()  # one object: another would compile everything again
LAST_LOOKS = 16  # gradients at the end of a search, to see what is left to gain
LEFT = 0.05  # nats per row, on average, above which a search has not converged
LEFT_IN_ROW = 1.0  # and in any single row
NUM_LOOKS = 8  # at what is left, each with noise of its own: they say how much of it is noise
MAX_ROUNDS = 10  # of num_steps each, after which a search gives up


class Estimate(NamedTuple):
    """A mean over the rows of x, with its standard error over them."""

    mean: float
    standard_error: float
    num_samples: int

    def __str__(self) -> str:
        return f"{self.mean:.2f} ± {self.standard_error:.2f} ({self.num_samples:,} samples)"


class Gaps(NamedTuple):
    """log p(x) - ELBO = approximation + amortisation, (batch,) each (Cremer et al. 2018)."""

    approximation: np.ndarray
    amortisation: np.ndarray


def evaluate(
    model: Model,
    q: Proposal | Callable[[jax.Array], Proposal],
    x: jax.Array,
    key: jax.Array,
    *,
    num_samples: int,
) -> Estimate:
    """The mean over x of L_k, k = num_samples, and its standard error.

    In expectation over keys, a lower bound on the mean log p(x). Double `num_samples` to
    see how loose it still is.

    Args:
        q: a distribution, or a function of x that returns one, such as vae.encode;
            `prior_of(model)` samples the prior.
    Raises:
        ValueError: as the estimators; and for fewer than two rows, which have no
            standard error.
    """
    x = matrix("x", x)
    if len(x) < 2:
        raise ValueError(f"a standard error over rows needs at least two of them, got {len(x)}")
    if callable(q) and not hasattr(q, "sample"):
        for module in (model, getattr(q, "__self__", None)):
            if isinstance(module, nnx.Module):  # before it is called, which would change it
                evaluation_mode(module)
        q = q(x)
    log_p = iwae(model, q, x, key, num_samples=num_samples)
    if not is_concrete(log_p):
        raise ValueError("evaluate returns NumPy's numbers: call it outside of jax.jit")
    log_p = np.asarray(log_p, dtype=float)
    return Estimate(log_p.mean(), log_p.std(ddof=1) / np.sqrt(len(x)), int(num_samples))


def fit_posterior(
    model: Model,
    q: Gaussian,
    x: jax.Array,
    key: jax.Array,
    *,
    num_steps: int = 500,
    num_samples: int = 8,
    learning_rate: float = 0.03,
) -> Gaussian:
    """The best Gaussian q with independent latents for each x, by stochastic gradient ascent.

    Climbs the ELBO from `q` (stochastic variational inference, one row of x at a time, all
    of them in parallel) until one more step, of the best of five lengths along the slope,
    would gain less than 0.05 nats per row on average and less than 1 in every row, as far as
    the noise of such looks lets one see. The model stays as it is.

    Args:
        q: where the search starts: a `Gaussian` for each row, such as vae.encode(x), or one
            for all, such as prior_of(model).
        num_steps: of a round, in which the step size falls to 0. Ten rounds at most.
        num_samples: draws of z for each row and step.
    Returns:
        q, with mean and log_var (batch, latent_dim).
    Raises:
        ValueError: if x is not a matrix, a number is not positive, q is not a Gaussian, or
            the search meets values that are not finite.
    Warns:
        RuntimeWarning: if the search has not converged after ten rounds, and how much is left.
    """
    model, x, num_samples = check(model, q, x, key, num_samples)
    if not isinstance(q, Gaussian):
        kind = type(q).__name__
        raise ValueError(f"fit_posterior climbs a Gaussian's mean and log_var; q is a {kind}")
    num_steps = positive_integer("num_steps", num_steps)
    learning_rate = positive_number("learning_rate", learning_rate)
    q = _for_each(q, x)
    if not isinstance(model, Split):  # inside compiled code: one round, and nobody to tell
        return _round(model, q, x, key, learning_rate, num_steps, num_samples)[0]
    facts = facts_of(model, x)
    supported("x", x, facts.support)
    size = max(1, facts.pairs // num_samples)
    parts = [slice(first, first + size) for first in range(0, len(x), size)]
    found = [
        _search(model, q[p], x[p], part_key(key, p.start), learning_rate, num_steps, num_samples)
        for p in parts
    ]
    q = Gaussian(*(jnp.concatenate([getattr(f, n) for f, _ in found]) for n in ("mean", "log_var")))
    left = np.concatenate([left for _, left in found], axis=-1)
    if not _converged(left):
        warnings.warn(
            f"the search has not converged after {MAX_ROUNDS} rounds of {num_steps} steps: one "
            f"more step along the slope would gain {_what_is_left(left)}. Try more num_steps, or "
            "start nearer to the posterior",
            RuntimeWarning,
            stacklevel=2,
        )
    return q


def _for_each(q: Gaussian, x: jax.Array) -> Gaussian:
    shape = (len(x), q.mean.shape[-1])
    return Gaussian(jnp.broadcast_to(q.mean, shape), jnp.broadcast_to(q.log_var, shape))


def _search(model, q, x, key, learning_rate, num_steps, num_samples):
    """Rounds until the search has converged; the q reached, and what is left (2, batch)."""
    for number in range(MAX_ROUNDS):
        q, left = _round(model, q, x, part_key(key, number), learning_rate, num_steps, num_samples)
        left = np.asarray(left, dtype=float)
        look_at(left, model, q, x)
        if _converged(left):
            break
    return q, left


def _converged(left: np.ndarray) -> bool:
    gain, error = left  # where q is the best, the best length is the shortest, and noise small
    return gain.mean() <= LEFT and (gain <= LEFT_IN_ROW + 4 * error).all()


def _what_is_left(left: np.ndarray) -> str:
    gain, _ = left
    return f"{gain.mean():.2g} nats per row (row {gain.argmax()}: {gain.max():.2g})"


def _round(model, q, x, key, learning_rate, num_steps, num_samples):
    """The q reached, and what one more step would gain with its standard error, (2, batch)."""
    rates = learning_rate * 0.5 * (1 + jnp.cos(jnp.pi * jnp.arange(num_steps) / num_steps))
    rates = jnp.concatenate([rates, jnp.zeros(LAST_LOOKS)])
    key, check_key = jax.random.split(key)
    carry = q, ADAM.init(q), jax.tree.map(jnp.zeros_like, q)
    keys = jax.random.split(key, len(rates))

    def step(carry, first, stop):
        options = dict(num_samples=num_samples)
        return _climb(model, x, rates, keys, carry, first, stop, **options)

    total = len(rates)
    if isinstance(model, Split):
        carry = paced(step, carry, total, unit="step")
    else:
        carry = step(carry, 0, total)
    q, _, slope = carry
    return q, _left(model, q, slope, x, check_key, num_samples=num_samples)


@compiled
def _climb(model, x, rates, keys, carry, first, stop, *, num_samples):
    def step(index, carry):
        q, state, slope = carry
        gradient = _slope(model, q, x, jax.random.clone(keys)[index], num_samples)
        updates, state = ADAM.update(jax.tree.map(jnp.negative, gradient), state)
        q = jax.tree.map(lambda leaf, u: leaf - rates[index] * u, q, updates)
        looks = (rates[index] == 0) / LAST_LOOKS  # q rests: the slope at its end
        slope = jax.tree.map(lambda s, g: s + looks * g, slope, gradient)
        return q, state, slope

    return jax.lax.fori_loop(first, stop, step, carry)


def _slope(model, q, x, key, num_samples):
    return jax.grad(lambda q: jnp.sum(elbo_terms(model, q, x, key, num_samples=num_samples)))(q)


@compiled
def _left(model, q, slope, x, key, *, num_samples):
    """What one more large step along the slope would gain, with its standard error; (2, batch)."""

    def bound(q, key):
        return elbo_terms(model, q, x, key, num_samples=num_samples)

    def moved(share):
        # A Newton step if q fits: the curvature is 1 / variance in mean, 1/2 in log_var.
        mean = q.mean + share * slope.mean * jnp.exp(q.log_var)
        return Gaussian(mean, q.log_var + jnp.clip(2 * share * slope.log_var, -1, 1))

    def look(key):
        here = bound(q, jax.random.clone(key))
        steps = 0.25 ** jnp.arange(5)
        there = jax.lax.map(lambda s: bound(moved(s), jax.random.clone(key)), steps)
        return there - here[None]

    gains = jax.lax.map(look, jax.random.split(key, NUM_LOOKS))  # (NUM_LOOKS, steps, batch)
    mean, error = jnp.mean(gains, 0), jnp.std(gains, 0, ddof=1) / NUM_LOOKS**0.5
    best = jnp.argmax(mean, axis=0)[None]
    return jnp.concatenate([jnp.take_along_axis(a, best, axis=0) for a in (mean, error)])


def gaps(
    model: Model,
    q: Proposal,
    x: jax.Array,
    key: jax.Array,
    *,
    log_p: jax.Array,
    best: Gaussian,
    num_samples: int = 100,
) -> Gaps:
    """Where log p(x) - ELBO(q) goes: to the family of q, and to sharing one network.

    Args:
        q: the encoder's, vae.encode(x).
        log_p: (batch,), exact or nearly so: quadrature, or L_k with a large k.
        best: the best q of the family for each x, as `fit_posterior` finds it.
        num_samples: draws of z for each row and bound.
    Returns:
        approximation, log p - ELBO(best); amortisation, ELBO(best) - ELBO(q); NumPy.
        Noisy, and below 0 where noise exceeds the gap: average over rows and keys.
    Raises:
        ValueError: as `elbo`; if log_p is not one number for each row; and if `best` is a
            `Gaussian` that a search has left short, which would be laid to the family.
    """
    _, x, num_samples = check(model, q, x, key, num_samples)
    log_p = float_array("log_p", log_p)
    if log_p.shape != (len(x),):
        raise ValueError(f"log_p must have shape ({len(x)},), a number per row, got {log_p.shape}")
    best_key, own_key, check_key = jax.random.split(key, 3)
    _check_converged(model, best, x, check_key)
    reached = np.asarray(elbo(model, best, x, best_key, num_samples=num_samples))
    own = np.asarray(elbo(model, q, x, own_key, num_samples=num_samples))
    return Gaps(np.asarray(log_p) - reached, reached - own)


def _check_converged(model, best, x, key) -> None:
    model, x, _ = check(model, best, x, key, 1)
    if not isinstance(best, Gaussian) or not isinstance(model, Split):
        return
    # A round without a step, of as many draws as a search makes: what is left where it stands.
    _, left = _round(model, _for_each(best, x), x, key, 0.0, 0, num_samples=8)
    left = np.asarray(left, dtype=float)
    if not _converged(left):
        raise ValueError(
            "`best` is not the best q of its family: one more step would gain "
            f"{_what_is_left(left)}. Continue the search: vc.fit_posterior(model, best, x, key)"
        )


def active_units(q: Gaussian, *, threshold: float = 0.01) -> np.ndarray:
    """Which latents an encoder uses: the variance over x of q's mean is above `threshold`.

    (Burda et al. 2016, section 5.2.)

    Args:
        q: vae.encode(x), for many x.
    Returns:
        Booleans, (latent_dim,); their sum is the number.
    Raises:
        ValueError: if q is not a distribution for two rows of x or more.
    """
    mean = getattr(q, "mean", None)
    if jnp.ndim(mean) != 2 or len(mean) < 2:
        raise ValueError(
            "active_units needs the q of many x, vae.encode(x), with a mean of shape "
            f"(batch, latent_dim); got a {type(q).__name__}"
        )
    if not is_concrete(mean):
        raise ValueError("active_units returns NumPy's numbers: call it outside of jax.jit")
    return np.asarray(jnp.var(mean, axis=0) > positive_number("threshold", threshold))
