"""Annealed importance sampling (Neal 2001): log p(x) without an encoder, in nats per image."""

import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from tqdm import tqdm

from vae_course.distributions import Gaussian, standard_normal
from vae_course.estimators import check_batch, log_mean_exp

TOGETHER = 1024  # chains that move at once: bounds the memory, and sets the bar's step
WANTED = 0.65  # share of accepted proposals at which Hamiltonian Monte Carlo is near its best
FIRST_SIZE = 0.1
PILOT_CHAINS = 2


def annealed_log_weights(
    model,
    x: jax.Array,
    key: jax.Array,
    *,
    num_chains: int = 16,
    num_steps: int = 1000,
    num_leapfrog: int = 10,
    start: Gaussian | None = None,
    posterior_sample: jax.Array | None = None,
) -> jax.Array:
    """log weights of chains that walk from the prior to the posterior of each image.

    Each chain passes num_steps densities start(z)^(1 - b) p(x, z)^b, b from 0 to 1 along the
    sigmoid of Wu et al. (2017), by one Hamiltonian Monte Carlo move each. A pilot run with a
    key of its own tunes the step sizes (each image, each b) to 65 % acceptance; then they
    stay fixed, so that the mean weight is an unbiased estimate of p(x).

    Args:
        x: (batch, data_dim); any number of rows: about a thousand chains move at once.
        num_steps: densities to pass; more of them cost time and tighten the estimate.
        num_leapfrog: gradients of log p(x, z) for each move.
        start: where the chains begin, (batch, latent_dim); None is the prior. With the
            encoder's q fewer densities do, if q covers the posterior.
        posterior_sample: (batch, latent_dim), exact, as from simulated data. The chains then
            walk from it back to `start`, and the mean of exp(-log weight) estimates 1 / p(x)
            (bidirectional Monte Carlo, Grosse et al. 2015).
    Returns:
        (num_chains, batch), in nats.
    Raises:
        ValueError: if x is not a matrix, a number is not a positive integer, or `start` or
            `posterior_sample` has another shape than (batch, latent_dim).
    """
    start = _checked_start(model, x, start, posterior_sample, (num_chains, num_steps, num_leapfrog))
    rows = max(1, TOGETHER // num_chains)
    rows = min(rows, len(x))
    firsts = range(0, len(x), rows)
    numbers = dict(num_chains=num_chains, num_steps=num_steps, num_leapfrog=num_leapfrog)
    blocks = []
    for first, block_key in zip(
        tqdm(firsts, unit="block", leave=False, file=sys.stdout),
        jax.random.split(key, len(firsts)),
        strict=True,
    ):
        # The last block is filled up with its own rows, so that nothing compiles again.
        picked = np.arange(first, first + rows) % len(x)
        inputs = jax.tree.map(lambda a, p=picked: a[p], (x, start, posterior_sample))
        blocks.append(np.asarray(_log_weights(model, *inputs, block_key, **numbers)))
    return jnp.concatenate(blocks, axis=1)[:, : len(x)]


def annealed_log_likelihood(model, x: jax.Array, key: jax.Array, **options) -> jax.Array:
    """log p(x) by annealed importance sampling; (batch,), in nats.

    The log of the mean weight of the chains: below log p(x) on average. With
    `posterior_sample` minus the log of the mean of 1 / weight: above it on average. The two
    together hold log p(x) of simulated data between them. Options, shapes and errors as in
    `annealed_log_weights`.
    """
    log_weights = annealed_log_weights(model, x, key, **options)
    if options.get("posterior_sample") is not None:
        return -log_mean_exp(-log_weights)
    return log_mean_exp(log_weights)


@partial(nnx.jit, static_argnames=("num_chains", "num_steps", "num_leapfrog"))
def _log_weights(model, x, start, sample, key, *, num_chains, num_steps, num_leapfrog):
    pilot_key, key = jax.random.split(key)
    ladder = jax.nn.sigmoid(jnp.linspace(-4, 4, num_steps + 1))
    ladder = (ladder - ladder[0]) / (ladder[-1] - ladder[0])
    ladder = ladder if sample is None else ladder[::-1]

    def log_ratio(z):
        prior = standard_normal(z.shape[-1])
        return model.decode(z).log_prob(x) + prior.log_prob(z) - start.log_prob(z)

    def chains(key, number, sizes):
        first_key, key = jax.random.split(key)
        if sample is None:
            z = start.sample(first_key, number)
        else:
            z = jnp.broadcast_to(sample, (number, *sample.shape))
        return _walk(log_ratio, start.log_prob, z, ladder, sizes, key, num_leapfrog)

    sizes = chains(pilot_key, PILOT_CHAINS, None)[1]
    log_weights = chains(key, num_chains, sizes)[0]
    return log_weights if sample is None else -log_weights


def _walk(log_ratio, log_start, z, ladder, sizes, key, num_leapfrog):
    """Log weights (chains, batch), and the step sizes used (num_steps, batch)."""

    def step(carry, inputs):
        z, ratio, log_weight, size = carry
        b, new_b, key, given = inputs
        log_weight += (new_b - b) * ratio
        size = size if sizes is None else given
        move = partial(_move, log_ratio, log_start, new_b, num_leapfrog=num_leapfrog)
        (z, ratio), chance = move((z, ratio), size[None, :, None], key)
        return (z, ratio, log_weight, size * jnp.exp(0.2 * (jnp.mean(chance, 0) - WANTED))), size

    num_steps = len(ladder) - 1
    given = jnp.zeros((num_steps, z.shape[1])) if sizes is None else sizes
    carry = z, log_ratio(z), jnp.zeros(z.shape[:-1]), jnp.full(z.shape[1], FIRST_SIZE)
    inputs = ladder[:-1], ladder[1:], jax.random.split(key, num_steps), given
    (_, _, log_weight, _), sizes = jax.lax.scan(step, carry, inputs)
    return log_weight, sizes


def _move(log_ratio, log_start, b, old, size, key, *, num_leapfrog):
    """One Hamiltonian Monte Carlo move of every chain (Neal 2011), and its chance of acceptance.

    old: z (chains, batch, latent_dim), and log_ratio(z).
    """
    push_key, accept_key = jax.random.split(key)
    push = jax.random.normal(push_key, old[0].shape)
    gradient = jax.grad(lambda z: jnp.sum(log_start(z) + b * log_ratio(z)))
    z, new_push = _leapfrog(gradient, old[0], push, size, num_leapfrog)
    new = z, log_ratio(z)
    gain = log_start(z) + b * new[1] - log_start(old[0]) - b * old[1]
    gain += 0.5 * jnp.sum(push**2 - new_push**2, axis=-1)
    chance = jnp.where(jnp.isnan(gain), 0.0, jnp.exp(jnp.minimum(gain, 0.0)))
    accept = jax.random.uniform(accept_key, chance.shape) < chance
    return (jnp.where(accept[..., None], z, old[0]), jnp.where(accept, new[1], old[1])), chance


def _leapfrog(gradient, z, push, size, num_leapfrog):
    def step(_, carry):
        z, push = carry
        push += size * gradient(z)
        return z + size * push, push

    z, push = jax.lax.fori_loop(0, num_leapfrog, step, (z + 0.5 * size * push, push))
    return z - 0.5 * size * push, push


def _checked_start(model, x, start, sample, numbers) -> Gaussian:
    check_batch(x, 1)
    for number in numbers:
        if not isinstance(number, int) or number < 1:
            raise ValueError(
                f"num_chains, num_steps and num_leapfrog must be positive integers, got {number!r}"
            )
    shape = (len(x), model.latent_dim)
    for name, given in {"start": getattr(start, "mean", None), "posterior_sample": sample}.items():
        if given is not None and given.shape != shape:
            raise ValueError(f"{name} must have shape {shape}, a row an image, got {given.shape}")
    if start is not None:
        return start
    return jax.tree.map(lambda a: jnp.broadcast_to(a, shape), standard_normal(model.latent_dim))
