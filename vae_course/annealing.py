"""Annealed importance sampling (Neal 2001): log p(x) without an encoder, in nats."""

import warnings
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from vae_course.bounds import (
    Proposal,
    check,
    check_latents,
    effective_sample_size,
    facts_of,
    log_likelihood,
    look_at,
)
from vae_course.checks import matrix, positive_integer, supported
from vae_course.compiling import Split, compiled
from vae_course.models import Model, prior_of
from vae_course.streaming import paced, progress

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
    Warns:
        RuntimeWarning: if in some row one or two chains have all the weight: its estimate is
            low then. One chain has nobody to disagree with.
    """
    model, x = _check_start(model, q, x, key)
    numbers = dict(num_chains=num_chains, num_steps=num_steps, num_leapfrog=num_leapfrog)
    return _in_blocks(model, q, x, None, key, **_positive(numbers))


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
    Warns:
        RuntimeWarning: as `ais`.
    """
    shape = (len(x), model.latent_dim)
    model, x = _check_start(model, q, x, key)
    numbers = dict(num_chains=num_chains, num_steps=num_steps, num_leapfrog=num_leapfrog)
    z = matrix("posterior_sample", posterior_sample, axes="batch, latent_dim")
    if z.shape != shape:
        raise ValueError(
            f"posterior_sample must have shape {shape}, one z per row of x, got {z.shape}"
        )
    return _in_blocks(model, q, x, z, key, **_positive(numbers))


def _positive(numbers) -> dict[str, int]:
    return {name: positive_integer(name, number) for name, number in numbers.items()}


def _in_blocks(model, q, x, sample, key, *, num_chains, num_steps, num_leapfrog) -> np.ndarray:
    rows = min(max(1, CHAINS_AT_ONCE // num_chains), len(x))
    firsts = range(0, len(x), rows)
    ladder = jax.nn.sigmoid(jnp.linspace(-4, 4, num_steps + 1))
    ladder = (ladder - ladder[0]) / (ladder[-1] - ladder[0])
    ladder = ladder if sample is None else ladder[::-1]
    blocks = []
    total = 2 * num_steps * len(firsts)
    with progress(total, "step", delay=1) as bar:
        for first, block_key in zip(firsts, jax.random.split(key, len(firsts)), strict=True):
            # The last block is filled up with its own rows, so that nothing compiles again.
            picked = np.arange(first, first + rows) % len(x)
            own = q[picked] if q.batch_shape else q
            inputs = model, own, x[picked], None if sample is None else sample[picked], ladder
            pilot_key, block_key = jax.random.split(block_key)
            options = dict(num_leapfrog=num_leapfrog, bar=bar)
            _, step_sizes = _walk(*inputs, None, pilot_key, num_chains=PILOT_CHAINS, **options)
            log_weights, _ = _walk(*inputs, step_sizes, block_key, num_chains=num_chains, **options)
            blocks.append(np.asarray(log_weights))
    log_weights = np.concatenate(blocks, axis=1)[:, : len(x)]
    look_at(log_weights, model, q, x)
    _warn_if_chains_disagree(log_weights)
    return log_weights


def _warn_if_chains_disagree(log_weights: np.ndarray) -> None:
    num_chains = len(log_weights)
    if num_chains == 1:
        return
    effective = np.asarray(effective_sample_size(log_weights))
    few = effective < min(2, 1 + num_chains / 16)  # two or four chains disagree by chance, too
    if few.any():
        worst = effective.argmin()
        warnings.warn(
            f"the chains have not converged in {few.sum()} of {len(few)} rows: in row {worst}, "
            f"{effective[worst]:.1f} of {num_chains} have all the weight, and the log weights "
            f"spread over {np.ptp(log_weights[:, worst]):.3g} nats. Try more num_steps, or start "
            "nearer",
            RuntimeWarning,
            stacklevel=4,
        )


def _walk(model, q, x, sample, ladder, given, key, *, num_chains, num_leapfrog, bar):
    """Log weights (chains, batch), and the step sizes used (num_steps, batch)."""
    first_key, key = jax.random.split(key)
    num_steps = len(ladder) - 1
    carry = _start(model, q, x, sample, first_key, num_chains=num_chains)
    used = jnp.zeros((num_steps, len(x))) if given is None else given
    keys = jax.random.split(key, num_steps)

    def step(carry, first, stop):
        arrays = ladder, keys, carry, first, stop
        return _steps(model, q, x, *arrays, num_leapfrog=num_leapfrog, is_pilot=given is None)

    (_, _, log_weights, _), used = paced(step, (carry, used), num_steps, bar=bar)
    return log_weights, used


def _log_ratio(model, q, x, z):
    return log_likelihood(model, z, x, (len(x),)) + prior_of(model).log_prob(z) - q.log_prob(z)


@compiled
def _start(model, q, x, sample, key, *, num_chains):
    if sample is None:
        z = q.sample(key, (num_chains,) if q.batch_shape else (num_chains, len(x)))
    else:
        z = jnp.broadcast_to(sample, (num_chains, *sample.shape))
    check_latents(model, z)
    initial = jnp.full(len(x), INITIAL_STEP_SIZE)
    return z, _log_ratio(model, q, x, z), jnp.zeros(z.shape[:-1]), initial


@compiled
def _steps(model, q, x, ladder, keys, carry, first, stop, *, num_leapfrog, is_pilot):
    log_ratio = partial(_log_ratio, model, q, x)

    def step(index, carry):
        (z, ratio, log_weight, tuned), used = carry
        b, new_b = ladder[index], ladder[index + 1]
        log_weight += (new_b - b) * ratio
        step_size = tuned if is_pilot else used[index]
        move = partial(_move, log_ratio, q.log_prob, new_b, num_leapfrog=num_leapfrog)
        key = jax.random.clone(keys)[index]
        (z, ratio), acceptance = move((z, ratio), step_size[None, :, None], key)
        tuned = step_size * jnp.exp(0.2 * (jnp.mean(acceptance, 0) - TARGET_ACCEPTANCE))
        return (z, ratio, log_weight, tuned), used.at[index].set(step_size)

    return jax.lax.fori_loop(first, stop, step, carry)


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


def _check_start(model, q, x, key):
    model, x, _ = check(model, q, x, key, 1)
    if not hasattr(q, "log_prob"):
        raise ValueError(f"AIS needs log q(z) at any z; {type(q).__name__} has no log_prob")
    if not isinstance(model, Split):
        raise ValueError("AIS returns NumPy's numbers: call it outside of jax.jit")
    supported("x", x, facts_of(model, x).support)
    return model, x
