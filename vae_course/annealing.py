"""Annealed importance sampling (Neal 2001): log p(x) without an encoder, in nats."""

import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from tqdm import tqdm

from vae_course.bounds import Proposal, check, check_latents
from vae_course.models import Model, prior_of

CHAINS_AT_ONCE = 1024  # bounds the memory, and sets the progress bar's step
TARGET_ACCEPTANCE = 0.65  # at which Hamiltonian Monte Carlo is near its best
INITIAL_STEP_SIZE = 0.1
PILOT_CHAINS = 2


def ais(
    model: Model,
    q: Proposal,
    x: jax.Array,
    key: jax.Array,
    *,
    num_chains: int = 16,
    num_steps: int = 1000,
    num_leapfrog: int = 10,
) -> np.ndarray:
    """Log weights of chains that walk from q to the posterior of each x.

    Each chain passes num_steps densities q(z)^(1 - b) p(x, z)^b, b from 0 to 1 along the
    sigmoid of Wu et al. (2017), by one Hamiltonian Monte Carlo move each. A pilot run with a
    key of its own tunes the step sizes (each row of x, each b) to 65 % acceptance; then they
    stay fixed, so that the mean weight is an unbiased estimate of p(x):
    log_mean_exp(ais(...)) is below log p(x) on average.

    Args:
        q: where the chains start. `prior_of(model)` is the usual choice; from the encoder's
            q fewer densities do, if q covers the posterior.
        x: (batch, data_dim); any number of rows: about a thousand chains move at once.
        num_steps: densities to pass; more of them cost time and tighten the estimate.
        num_leapfrog: gradients of log p(x, z) for each move.
    Returns:
        (num_chains, batch), in nats; NumPy.
    Raises:
        ValueError: as `log_weights`, and if a number is not a positive integer.
    """
    _check_start(model, q, x)
    numbers = _checked(num_chains=num_chains, num_steps=num_steps, num_leapfrog=num_leapfrog)
    return _in_blocks(model, q, x, None, key, numbers)


def reverse_ais(
    model: Model,
    q: Proposal,
    x: jax.Array,
    posterior_sample: jax.Array,
    key: jax.Array,
    *,
    num_chains: int = 16,
    num_steps: int = 1000,
    num_leapfrog: int = 10,
) -> np.ndarray:
    """Log weights of chains that walk back, from an exact posterior sample to q.

    Their mean weight is an unbiased estimate of 1 / p(x), so that
    -log_mean_exp(reverse_ais(...)) is above log p(x) on average: with `ais` it holds log p(x)
    of simulated data between two bounds (bidirectional Monte Carlo, Grosse et al. 2015).

    Args:
        posterior_sample: (batch, latent_dim), exact: the z from which each x was simulated.
    Returns:
        (num_chains, batch), in nats; NumPy.
    Raises:
        ValueError: as `ais`, and if posterior_sample has another shape.
    """
    _check_start(model, q, x)
    numbers = _checked(num_chains=num_chains, num_steps=num_steps, num_leapfrog=num_leapfrog)
    shape = (len(x), model.latent_dim)
    if jnp.shape(posterior_sample) != shape:
        raise ValueError(
            f"posterior_sample must have shape {shape}, one z per row of x, "
            f"got {jnp.shape(posterior_sample)}"
        )
    return _in_blocks(model, q, x, posterior_sample, key, numbers)


def _in_blocks(model, q, x, sample, key, numbers) -> np.ndarray:
    rows = min(max(1, CHAINS_AT_ONCE // numbers["num_chains"]), len(x))
    firsts = range(0, len(x), rows)
    blocks = []
    for first, block_key in zip(
        tqdm(firsts, unit="block", leave=False, file=sys.stdout),
        jax.random.split(key, len(firsts)),
        strict=True,
    ):
        # The last block is filled up with its own rows, so that nothing compiles again.
        picked = np.arange(first, first + rows) % len(x)
        own = q[picked] if q.batch_shape else q
        inputs = x[picked], None if sample is None else sample[picked]
        blocks.append(np.asarray(_log_weights(model, own, *inputs, block_key, **numbers)))
    return np.concatenate(blocks, axis=1)[:, : len(x)]


@partial(nnx.jit, static_argnames=("num_chains", "num_steps", "num_leapfrog"))
def _log_weights(model, q, x, sample, key, *, num_chains, num_steps, num_leapfrog):
    pilot_key, key = jax.random.split(key)
    ladder = jax.nn.sigmoid(jnp.linspace(-4, 4, num_steps + 1))
    ladder = (ladder - ladder[0]) / (ladder[-1] - ladder[0])
    ladder = ladder if sample is None else ladder[::-1]
    prior = prior_of(model)

    def log_ratio(z):
        return model.decode(z).log_prob(x) + prior.log_prob(z) - q.log_prob(z)

    def chains(key, number, step_sizes):
        first_key, key = jax.random.split(key)
        if sample is None:
            z = q.sample(first_key, (number,) if q.batch_shape else (number, len(x)))
        else:
            z = jnp.broadcast_to(sample, (number, *sample.shape))
        check_latents(model, z)
        return _walk(log_ratio, q.log_prob, z, ladder, step_sizes, key, num_leapfrog)

    step_sizes = chains(pilot_key, PILOT_CHAINS, None)[1]
    return chains(key, num_chains, step_sizes)[0]


def _walk(log_ratio, log_start, z, ladder, step_sizes, key, num_leapfrog):
    """Log weights (chains, batch), and the step sizes used (num_steps, batch)."""

    def step(carry, inputs):
        z, ratio, log_weight, tuned = carry
        b, new_b, key, given = inputs
        log_weight += (new_b - b) * ratio
        step_size = tuned if step_sizes is None else given
        move = partial(_move, log_ratio, log_start, new_b, num_leapfrog=num_leapfrog)
        (z, ratio), acceptance = move((z, ratio), step_size[None, :, None], key)
        tuned = step_size * jnp.exp(0.2 * (jnp.mean(acceptance, 0) - TARGET_ACCEPTANCE))
        return (z, ratio, log_weight, tuned), step_size

    num_steps = len(ladder) - 1
    given = jnp.zeros((num_steps, z.shape[1])) if step_sizes is None else step_sizes
    initial = jnp.full(z.shape[1], INITIAL_STEP_SIZE)
    carry = z, log_ratio(z), jnp.zeros(z.shape[:-1]), initial
    inputs = ladder[:-1], ladder[1:], jax.random.split(key, num_steps), given
    (_, _, log_weight, _), step_sizes = jax.lax.scan(step, carry, inputs)
    return log_weight, step_sizes


def _move(log_ratio, log_start, b, old, step_size, key, *, num_leapfrog):
    """One Hamiltonian Monte Carlo move of every chain (Neal 2011), and its acceptance probability.

    old: z (chains, batch, latent_dim), and log_ratio(z).
    """
    momentum_key, accept_key = jax.random.split(key)
    momentum = jax.random.normal(momentum_key, old[0].shape)
    gradient = jax.grad(lambda z: jnp.sum(log_start(z) + b * log_ratio(z)))
    z, new_momentum = _leapfrog(gradient, old[0], momentum, step_size, num_leapfrog)
    new = z, log_ratio(z)
    change = log_start(z) + b * new[1] - log_start(old[0]) - b * old[1]
    change += 0.5 * jnp.sum(momentum**2 - new_momentum**2, axis=-1)
    acceptance = jnp.where(jnp.isnan(change), 0.0, jnp.exp(jnp.minimum(change, 0.0)))
    accept = jax.random.uniform(accept_key, acceptance.shape) < acceptance
    z = jnp.where(accept[..., None], z, old[0])
    return (z, jnp.where(accept, new[1], old[1])), acceptance


def _leapfrog(gradient, z, momentum, step_size, num_leapfrog):
    def step(_, carry):
        z, momentum = carry
        momentum += step_size * gradient(z)
        return z + step_size * momentum, momentum

    start = z + 0.5 * step_size * momentum, momentum
    z, momentum = jax.lax.fori_loop(0, num_leapfrog, step, start)
    return z - 0.5 * step_size * momentum, momentum


def _check_start(model, q, x) -> None:
    check(model, q, x, 1)
    if not hasattr(q, "log_prob"):
        raise ValueError(f"AIS needs log q(z) at any z; {type(q).__name__} has no log_prob")


def _checked(**numbers) -> dict[str, int]:
    for name, number in numbers.items():
        if not isinstance(number, (int, np.integer)) or number < 1:
            raise ValueError(f"{name} must be a positive integer, got {number!r}")
    return numbers
