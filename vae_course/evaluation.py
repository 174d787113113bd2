"""How good is a trained model, and where does the gap between log p(x) and the ELBO go? In nats."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from vae_course.distributions import Gaussian
from vae_course.estimators import (
    check_batch,
    elbo_analytic_kl,
    elbo_of,
    iwae_bound,
    prior_log_likelihood,
)
from vae_course.proposals import WithProposal

ADAM = optax.scale_by_adam()  # one object: another would compile everything again


class Estimate(NamedTuple):
    """A mean over images, with its standard error over them."""

    mean: float
    standard_error: float
    num_samples: int

    def __str__(self) -> str:
        return f"{self.mean:.2f} ± {self.standard_error:.2f} ({self.num_samples:,} samples)"


class Gaps(NamedTuple):
    """log p(x) - ELBO = approximation + amortisation, (batch,) each (Cremer et al. 2018)."""

    approximation: jax.Array
    amortisation: jax.Array


def evaluate(model, x: jax.Array, key: jax.Array, *, num_samples: int) -> Estimate:
    """The mean over x of L_k, k = num_samples; a model without `encode` is sampled from its prior.

    A lower bound on the mean log p(x) on average over keys; close to it if num_samples
    is large enough, which doubling it shows.

    Raises:
        ValueError: as the estimators; and for fewer than two images, which have no
            standard error.
    """
    check_batch(x, num_samples)
    if len(x) < 2:
        raise ValueError(f"a standard error over images wants at least two of them, got {len(x)}")
    estimate = iwae_bound if hasattr(model, "encode") else prior_log_likelihood
    log_p = np.asarray(estimate(model, x, key, num_samples=num_samples), dtype=float)
    return Estimate(log_p.mean(), log_p.std(ddof=1) / np.sqrt(len(x)), num_samples)


def refine_posterior(
    model,
    x: jax.Array,
    key: jax.Array,
    *,
    num_steps: int = 500,
    num_samples: int = 8,
    learning_rate: float = 0.03,
) -> Gaussian:
    """The best Gaussian q with independent latents for each x, by stochastic gradient ascent.

    Climbs the ELBO from the encoder's guess (stochastic variational inference, one image
    at a time, all of them in parallel); the step size falls to 0. The model stays as it is.

    Args:
        model: with `decode` and `encode`, whose q(z | x) is a `Gaussian`.
        num_samples: draws of z for each image and step.
    Returns:
        q, with mean and log_var (batch, latent_dim).
    Raises:
        ValueError: if x is not a matrix, or a number is not positive.
    """
    check_batch(x, num_samples)
    if not (isinstance(num_steps, int) and num_steps > 0 and learning_rate > 0):
        raise ValueError(
            f"num_steps must be a positive integer and learning_rate positive, got {num_steps!r} "
            f"and {learning_rate!r}"
        )
    return _refine(model, x, key, learning_rate, num_steps=num_steps, num_samples=num_samples)


@nnx.jit(static_argnames=("num_steps", "num_samples"))
def _refine(model, x, key, learning_rate, *, num_steps, num_samples):
    def loss(q, key):
        return -jnp.sum(elbo_of(model, q, x, key, num_samples))

    def step(carry, inputs):
        q, state = carry
        key, rate = inputs
        updates, state = ADAM.update(jax.grad(loss)(q, key), state)
        return (jax.tree.map(lambda leaf, u: leaf - rate * u, q, updates), state), None

    rates = learning_rate * 0.5 * (1 + jnp.cos(jnp.pi * jnp.arange(num_steps) / num_steps))
    q = model.encode(x)
    keys = jax.random.split(key, num_steps)
    return jax.lax.scan(step, (q, ADAM.init(q)), (keys, rates))[0][0]


def gaps(model, x, log_p, key, *, best: Gaussian, num_samples: int = 100) -> Gaps:
    """Where log p(x) - ELBO goes: to the family of q, and to sharing one network.

    Args:
        log_p: (batch,), exact or nearly so: quadrature, or L_k with a large k.
        best: the best q of the family for each x, as `refine_posterior` finds it.
        num_samples: draws of z for each image and bound.
    Returns:
        approximation, log p - ELBO(best); amortisation, ELBO(best) - ELBO(encoder).
        Noisy, and below 0 where noise exceeds the gap: average over images and keys.
    """
    best_key, own_key = jax.random.split(key)
    reached = elbo_analytic_kl(WithProposal(model, best), x, best_key, num_samples=num_samples)
    own = elbo_analytic_kl(model, x, own_key, num_samples=num_samples)
    return Gaps(log_p - reached, reached - own)


def active_units(model, x: jax.Array, *, threshold: float = 0.01) -> np.ndarray:
    """Which latents the encoder uses: the variance over x of q's mean is above `threshold`.

    (Burda et al. 2016, section 5.2.) Booleans, (latent_dim,); their sum is the number.
    """
    check_batch(x, 1)
    return np.asarray(jnp.var(model.encode(x).mean, axis=0) > threshold)
