"""Estimates of log p(x), in nats per row of x, by samples of z from a q of ours.

The model is its prior and its decoder (`models.Model`); q is ours to choose
(`Proposal`): an encoder's, a searched one, the prior. Every function is compiled once for
each set of shapes, and streams over its samples: more of them cost time, not memory.
Under one key all functions draw the same z.
"""

from functools import partial, wraps
from inspect import signature
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.scipy.special import logsumexp

from vae_course.distributions import has_kl_formula, kl_divergence
from vae_course.models import Model, check_mode, is_traced, is_tracer, prior_of
from vae_course.streaming import all_rows, streamed_log_mean_exp

BLOCK = 512  # samples held in memory at once, where all rows of x share them
PAIRS = 2**15  # samples times rows decoded at once, where each row has its own


class Proposal(Protocol):
    """What a q is: a distribution over z, chosen by us for certain x. It need not be a network.

    Any class of one's own will do if JAX knows it as a pytree
    (`jax.tree_util.register_dataclass`) and it has what stands here.

    batch_shape: (len(x),) is a q for each row of x; () is one q for all rows, whose samples
        they share. Anything else is refused.
    reparameterised: whether gradients flow through `sample` to q's parameters. Where they
        do not (a mixture), estimates are fine and their gradients in q are refused.
    q[rows]: the q of some rows.
    """

    batch_shape: tuple[int, ...]
    reparameterised: bool

    def sample(self, key: jax.Array, sample_shape=()) -> jax.Array:
        """z, (*sample_shape, *batch_shape, latent_dim)."""

    def log_prob(self, z: jax.Array) -> jax.Array:
        """log q(z) in nats, (*sample_shape, *batch_shape).

        For any z: needed by mixtures and AIS only. A flow may do without.
        """

    def sample_and_log_prob(self, key: jax.Array, sample_shape=()) -> tuple[jax.Array, jax.Array]:
        """Both at once: where z is made, its density often comes for less."""

    def __getitem__(self, rows) -> "Proposal": ...


def log_weights(
    model: Model, q: Proposal, x: jax.Array, key: jax.Array, *, num_samples: int
) -> jax.Array:
    """log w_i = log p(x | z_i) + log p(z_i) - log q(z_i), z_i ~ q.

    The average of w_i is an unbiased estimate of p(x), wherever q covers the posterior.

    Args:
        x: (batch, data_dim).
        q: for each row of x, or one for all (`Proposal`).
    Returns:
        (num_samples, batch), in nats.
    Raises:
        ValueError: if x is not a matrix, num_samples is not a positive integer, q is not
            for these x, or the model has dropout or batch norm in training mode.
    """
    check(model, q, x, num_samples)
    return _log_weights(model, q, x, key, num_samples=num_samples)


def elbo(
    model: Model,
    q: Proposal,
    x: jax.Array,
    key: jax.Array,
    *,
    num_samples: int = 1,
    analytic_kl: bool = True,
) -> jax.Array:
    """The evidence lower bound E_q[log p(x | z)] - KL(q || prior), estimated; (batch,), in nats.

    Its slack is KL(q || posterior). Args and errors as in `log_weights`.

    Args:
        analytic_kl: the KL by its formula, where q and the prior have one
            (`kl_divergence`); only the first term is sampled then. Else, and with False,
            the average of log w_i.
    """
    check(model, q, x, num_samples)
    return _elbo(model, q, x, key, num_samples=num_samples, analytic_kl=analytic_kl)


def iwae(model: Model, q: Proposal, x: jax.Array, key: jax.Array, *, num_samples: int) -> jax.Array:
    """L_k with k = num_samples: log of the mean of w_i (Burda et al. 2016); (batch,), in nats.

    Below log p(x) on average, and closer to it the larger k; L_1 is the ELBO. Streamed, so
    that k = 100,000 costs time only. Args and errors as in `log_weights`.
    """
    check(model, q, x, num_samples)
    return _iwae(model, q, x, key, num_samples=num_samples)


def prior_log_likelihood(
    model: Model, x: jax.Array, key: jax.Array, *, num_samples: int
) -> jax.Array:
    """`iwae` with the model's prior as q, its samples shared by all rows: prior Monte Carlo.

    The weights are p(x | z_i). All rows see the same samples, so their errors are
    correlated: average over keys, not only over rows.

    Returns:
        (batch,), in nats.
    """
    prior = prior_of(model)
    # A mixture's samples carry no gradient; as weights p(z_i) / q(z_i) its density does.
    q = prior if prior.reparameterised else jax.lax.stop_gradient(prior)
    return iwae(model, q, x, key, num_samples=num_samples)


def effective_sample_size(log_weights: jax.Array, axis: int = 0) -> jax.Array:
    """(sum w)^2 / sum w^2 (Kong 1992): 1 if one sample has all the weight, N if all share alike."""
    return jnp.exp(2 * logsumexp(log_weights, axis=axis) - logsumexp(2 * log_weights, axis=axis))


def elbo_terms(model, q, x, key, *, num_samples: int, analytic_kl: bool = True) -> jax.Array:
    """`elbo`, neither checked nor compiled: to be differentiated inside compiled code; (batch,)."""
    q = gradient_guard(q)
    prior = prior_of(model)
    by_formula = analytic_kl and has_kl_formula(q, prior)

    def rows(key, n):
        if not by_formula:
            return _weights_of(model, prior, q, x, key, n)
        return log_likelihood(model, q.sample(key, (n,)), x, q.batch_shape)

    mean = jnp.mean(all_rows(rows, key, num_samples, _largest_block(q)), axis=0)
    if not by_formula:
        return mean
    return mean - jnp.broadcast_to(kl_divergence(q, prior), mean.shape)


def compiled(function):
    """`function` compiled, its keywords static; inside compiled code it is called as it is."""
    static = [p.name for p in signature(function).parameters.values() if p.kind == p.KEYWORD_ONLY]
    jitted = nnx.jit(function, static_argnames=static)

    @wraps(function)
    def call(model, *args, **options):
        inside = is_traced(model) or any(map(is_tracer, jax.tree.leaves(args)))
        return (function if inside else jitted)(model, *args, **options)

    return call


_elbo = compiled(elbo_terms)


@compiled
def _log_weights(model, q, x, key, *, num_samples):
    rows = partial(_weights_of, model, prior_of(model), gradient_guard(q), x)
    return all_rows(rows, key, num_samples, _largest_block(q))


@compiled
def _iwae(model, q, x, key, *, num_samples):
    rows = partial(_weights_of, model, prior_of(model), gradient_guard(q), x)
    return streamed_log_mean_exp(rows, key, num_samples, _largest_block(q), len(x))


def _weights_of(model, prior, q, x, key, num_samples):
    """num_samples log weights for each row of x, (num_samples, batch)."""
    z, log_q = q.sample_and_log_prob(key, (num_samples,))
    check_latents(model, z)
    log_ratio = prior.log_prob(z) - log_q
    if not q.batch_shape:
        log_ratio = log_ratio[:, None]  # the rows of x share it
    return log_likelihood(model, z, x, q.batch_shape) + log_ratio


def log_likelihood(model, z, x, batch_shape) -> jax.Array:
    """log p(x | z) for z (n, batch, latent_dim), or (n, latent_dim) shared by all x; (n, batch)."""
    check_latents(model, z)
    if batch_shape:
        return model.decode(z).log_prob(x)
    p = model.decode(z)
    if hasattr(p, "pairwise_log_prob"):  # one matrix product
        return p.pairwise_log_prob(x)
    return jax.lax.map(lambda one: model.decode(one).log_prob(x), z)


def _largest_block(q) -> int:
    return max(1, PAIRS // q.batch_shape[0]) if q.batch_shape else BLOCK


def gradient_guard(q):
    """q itself, which refuses to be differentiated if its samples do not carry gradients."""
    return q if q.reparameterised else _values_only(q)


@jax.custom_jvp
def _values_only(q):
    return q


@partial(_values_only.defjvp, symbolic_zeros=True)
def _refuse_gradient(primals, tangents):
    raise ValueError(
        f"gradients do not flow through the samples of {type(primals[0]).__name__}: its estimates "
        "cannot be differentiated in q. For gradients in the model alone, pass "
        "jax.lax.stop_gradient(q)"
    )


def check(model: Model, q: Proposal, x: jax.Array, num_samples: int) -> None:
    """Raises ValueError where an estimator could only fail later, or less clearly."""
    check_batch(x, num_samples)
    check_proposal(q, x)
    check_mode(model)


def check_batch(x: jax.Array, num_samples: int = 1) -> None:
    """Raises ValueError if x is not a matrix of floats or num_samples not a positive integer."""
    if jnp.ndim(x) != 2 or not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(
            f"x must be a float array of shape (batch, data_dim), got {x.dtype} "
            f"{x.shape}; one image is x[None]"
        )
    if not isinstance(num_samples, (int, np.integer)) or num_samples < 1:
        raise ValueError(f"num_samples must be a positive integer, got {num_samples!r}")


def check_proposal(q: Proposal, x: jax.Array) -> None:
    """Raises ValueError if q is no distribution, or not one for these x."""
    needed = ("batch_shape", "reparameterised", "sample", "sample_and_log_prob")
    missing = [name for name in needed if not hasattr(q, name)]
    if missing:
        hint = "; pass vae.encode(x), not vae.encode" if callable(q) else ""
        raise ValueError(
            f"q must be a distribution over z, such as vae.encode(x); {type(q).__name__} has no "
            f"{', '.join(missing)}{hint}"
        )
    if tuple(q.batch_shape) not in ((), (len(x),)):
        raise ValueError(
            f"q has batch_shape {q.batch_shape}; for {len(x)} rows of x it must be ({len(x)},), "
            "one q for each row, or (), one for all"
        )
    if any(leaf is q for leaf in jax.tree.leaves(q)) and not isinstance(q, nnx.Module):
        raise ValueError(
            f"JAX does not know {type(q).__name__} as a pytree: decorate it with "
            "jax.tree_util.register_dataclass"
        )


def check_latents(model: Model, z: jax.Array) -> None:
    """Raises ValueError if z, drawn from q, has not the model's number of latents."""
    if z.shape[-1] != model.latent_dim:
        raise ValueError(f"q is over {z.shape[-1]} latents, the model has {model.latent_dim}")
