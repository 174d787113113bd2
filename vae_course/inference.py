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

from vae_course.bounds import Proposal, check, check_batch, check_proposal, elbo, elbo_terms, iwae
from vae_course.distributions import Gaussian
from vae_course.models import Model

ADAM = optax.scale_by_adam()  # one object: another would compile everything again
LAST_LOOKS = 16  # gradients at the end of a search, to see what is left to gain
LEFT = 0.1  # nats per row, on average, above which a search has not converged


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
    check_batch(x, num_samples)
    if len(x) < 2:
        raise ValueError(f"a standard error over rows needs at least two of them, got {len(x)}")
    q = q if hasattr(q, "sample") or not callable(q) else q(x)
    log_p = np.asarray(iwae(model, q, x, key, num_samples=num_samples), dtype=float)
    return Estimate(log_p.mean(), log_p.std(ddof=1) / np.sqrt(len(x)), num_samples)


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
    of them in parallel); the step size falls to 0. The model stays as it is.

    Args:
        q: where the search starts: a `Gaussian` for each row, such as vae.encode(x), or one
            for all, such as prior_of(model).
        num_samples: draws of z for each row and step.
    Returns:
        q, with mean and log_var (batch, latent_dim).
    Raises:
        ValueError: if x is not a matrix, a number is not positive, or q is not a Gaussian.
    Warns:
        RuntimeWarning: if the search has not converged: one more step, of the best of five
            lengths along the slope at its end, would gain over 0.1 nats per row on average.
    """
    check(model, q, x, num_samples)
    if not isinstance(q, Gaussian):
        kind = type(q).__name__
        raise ValueError(f"fit_posterior climbs a Gaussian's mean and log_var; q is a {kind}")
    if not (isinstance(num_steps, (int, np.integer)) and num_steps > 0 and learning_rate > 0):
        raise ValueError(
            f"num_steps must be a positive integer and learning_rate positive, got {num_steps!r} "
            f"and {learning_rate!r}"
        )
    numbers = dict(num_steps=int(num_steps), num_samples=int(num_samples))
    q, left = _climb(model, _for_each(q, x), x, key, learning_rate, **numbers)
    if not isinstance(left, jax.core.Tracer):
        _warn_if_unfinished(np.asarray(left, dtype=float), num_steps)
    return q


def _for_each(q: Gaussian, x: jax.Array) -> Gaussian:
    shape = (len(x), q.mean.shape[-1])
    return Gaussian(jnp.broadcast_to(q.mean, shape), jnp.broadcast_to(q.log_var, shape))


@nnx.jit(static_argnames=("num_steps", "num_samples"))
def _climb(model, q, x, key, learning_rate, *, num_steps, num_samples):
    """The q reached, and what one more large step would gain (batch,)."""

    def bound(q, key):
        return elbo_terms(model, q, x, key, num_samples=num_samples)

    def step(carry, inputs):
        q, state, slope = carry
        key, rate = inputs
        gradient = jax.grad(lambda q: -jnp.sum(bound(q, key)))(q)
        updates, state = ADAM.update(gradient, state)
        q = jax.tree.map(lambda leaf, u: leaf - rate * u, q, updates)
        looks = (rate == 0) / LAST_LOOKS  # q rests: the slope at its end
        slope = jax.tree.map(lambda s, g: s - looks * g, slope, gradient)
        return (q, state, slope), None

    rates = learning_rate * 0.5 * (1 + jnp.cos(jnp.pi * jnp.arange(num_steps) / num_steps))
    rates = jnp.concatenate([rates, jnp.zeros(LAST_LOOKS)])
    key, check_key = jax.random.split(key)
    carry = q, ADAM.init(q), jax.tree.map(jnp.zeros_like, q)
    keys = jax.random.split(key, len(rates))
    (q, _, slope), _ = jax.lax.scan(step, carry, (keys, rates))

    def gain(share):
        # A Newton step if q fits: the curvature is 1 / variance in mean, 1/2 in log_var.
        mean = q.mean + share * slope.mean * jnp.exp(q.log_var)
        log_var = q.log_var + jnp.clip(2 * share * slope.log_var, -1, 1)
        reached = bound(Gaussian(mean, log_var), jax.random.clone(check_key))
        return reached - bound(q, jax.random.clone(check_key))  # the same noise

    return q, jnp.max(jax.lax.map(gain, 0.25 ** jnp.arange(5)), axis=0)


def _warn_if_unfinished(left: np.ndarray, num_steps: int) -> None:
    error = left.std() / np.sqrt(len(left))
    if not left.mean() <= LEFT + 2 * error:
        warnings.warn(
            f"the search has not converged after {num_steps} steps: one more along the slope would "
            f"gain {left.mean():.2g} nats per row (row {left.argmax()}: {left.max():.2g}). "
            "Try more num_steps, or start nearer to the posterior",
            RuntimeWarning,
            stacklevel=3,
        )


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
    """
    check_proposal(best, x)
    best_key, own_key = jax.random.split(key)
    reached = np.asarray(elbo(model, best, x, best_key, num_samples=num_samples))
    own = np.asarray(elbo(model, q, x, own_key, num_samples=num_samples))
    return Gaps(np.asarray(log_p) - reached, reached - own)


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
    return np.asarray(jnp.var(mean, axis=0) > threshold)
