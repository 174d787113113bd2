"""Estimates of log p(x), in nats per row of x, by samples of z from a q of ours.

The model is its prior and its decoder (`models.Model`); q is ours to choose
(`Proposal`): an encoder's, a searched one, the prior. Every function is compiled once for
each set of shapes, and streams over its samples: more of them cost time, not memory.
Under one key all functions draw the same z.
"""

import math
from functools import partial
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.scipy.special import logsumexp

from vae_course.checks import (
    evaluation_mode,
    is_concrete,
    is_tracing,
    matrix,
    not_finite_in,
    positive_integer,
    random_key,
    supported,
)
from vae_course.compiling import (
    Split,
    Static,
    compiled,
    equations,
    merge,
    split,
    without_values,
)
from vae_course.devices import num_devices, shared_out
from vae_course.distributions import Distribution, has_kl_formula, kl_divergence
from vae_course.models import Model, check_is_model, prior_of
from vae_course.streaming import (
    add_log_terms,
    block_keys,
    blocks_of,
    log_total,
    log_weight_array,
    no_log_terms,
    paced,
    used_rows,
)

BLOCK = 512  # samples drawn at once, where all rows of x share them
PAIRS = 2**15  # samples times rows drawn at once, where each row has its own
AT_ONCE = 2**11  # of these pairs decoded at once
MOST = 2**30  # weights that are returned, four gigabytes
PARTS = 0x70617274  # b"part", which names the keys of the parts of a measurement
NUMBERS = 2**26  # of them in one array, a quarter of a gigabyte: fewer pairs are decoded at once


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
        ValueError: if x is not a matrix, has values that are not finite or that the
            likelihood does not take, num_samples is not a positive integer or too large for
            all the weights to be kept, q is not for these x, the model has dropout or batch
            norm in training mode, or the result is NaN or infinite; it says where.
    """
    model, x, num_samples = check(model, q, x, key, num_samples)
    if num_samples * len(x) > MOST:
        raise ValueError(
            f"{num_samples:,} weights for each of {len(x):,} rows do not fit in {MOST // 2**28} "
            "gigabytes: iwae and elbo take as many samples, and keep none"
        )
    return _measure("weights", model, q, x, key, num_samples)


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
    model, x, num_samples = check(model, q, x, key, num_samples)
    kind = _kind(merge(model), q, analytic_kl)
    return _measure(kind, model, q, x, key, num_samples)


def iwae(model: Model, q: Proposal, x: jax.Array, key: jax.Array, *, num_samples: int) -> jax.Array:
    """L_k with k = num_samples: log of the mean of w_i (Burda et al. 2016); (batch,), in nats.

    Below log p(x) on average, and closer to it the larger k; L_1 is the ELBO. Streamed, so
    that k = 100,000 costs time only. Args and errors as in `log_weights`.
    """
    model, x, num_samples = check(model, q, x, key, num_samples)
    return _measure("mean of w", model, q, x, key, num_samples)


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
    """(sum w)^2 / sum w^2 (Kong 1992): 1 if one sample has all the weight, N if all share alike.

    Raises:
        ValueError: if a weight is NaN or infinite, or all along `axis` are 0.
    """
    log_weights = log_weight_array(log_weights, axis)
    if is_concrete(log_weights) and (np.asarray(log_weights).max(axis=axis) == -np.inf).any():
        raise ValueError("all of the log weights are -inf: no sample explains this x at all")
    return jnp.exp(2 * logsumexp(log_weights, axis=axis) - logsumexp(2 * log_weights, axis=axis))


def elbo_terms(model, q, x, key, *, num_samples: int, analytic_kl: bool = True) -> jax.Array:
    """`elbo`, neither checked nor compiled: to be differentiated inside compiled code; (batch,)."""
    return _estimate(model, q, x, key, num_samples=num_samples, kind=_kind(model, q, analytic_kl))


def _kind(model, q, analytic_kl: bool) -> str:
    by_formula = analytic_kl and has_kl_formula(q, prior_of(model))
    return "KL by formula" if by_formula else "sampled KL"


@compiled
def _estimate(model, q, x, key, *, num_samples: int, kind: str):
    """What `kind` says, of num_samples draws; (batch,), or (num_samples, batch) for "weights"."""
    block = largest_block(q, facts_of(model, x), len(x))
    return _by_blocks(model, gradient_guard(q), x, key, num_samples, block, kind)


def _by_blocks(model, q, x, key, num_samples, block, kind):
    """The estimate, block after block: in pieces for a split model, else in one program."""
    num_blocks, block = blocks_of(num_samples, block)
    keys, batch = block_keys(key, num_blocks), len(x)
    carry = jnp.zeros(batch)
    if kind == "weights":
        carry = jnp.zeros((num_blocks, block, batch))
    elif kind == "mean of w":
        carry = no_log_terms(batch)

    options = dict(num_samples=num_samples, block=block, kind=kind)
    if isinstance(model, Split):

        def step(carry, first, stop):
            return _add_blocks(model, q, x, keys, carry, first, stop, **options)

        carry = paced(step, carry, num_blocks)
    elif num_blocks == 1:  # as in training: no loop
        carry = _add_block(model, q, x, carry, key, 0, **options)
    else:
        blocks = keys, jnp.arange(num_blocks)
        add = partial(_add_block, model, q, x, **options)
        carry, _ = jax.lax.scan(lambda carry, one: (add(carry, *one), None), carry, blocks)
    if kind == "weights":
        return carry.reshape(-1, batch)[:num_samples]
    if kind == "mean of w":
        return log_total(carry) - math.log(num_samples)
    mean = carry / num_samples
    if kind == "sampled KL":
        return mean
    return mean - jnp.broadcast_to(kl_divergence(q, prior_of(merge(model))), mean.shape)


@compiled
def _add_blocks(model, q, x, keys, carry, first, stop, *, num_samples, block, kind):
    options = dict(num_samples=num_samples, block=block, kind=kind)

    def add(index, carry):
        key = jax.random.clone(keys)[index]
        return _add_block(model, q, x, carry, key, index, **options)

    return jax.lax.fori_loop(first, stop, add, carry)


def _add_block(model, q, x, carry, key, index, *, num_samples, block, kind):
    rows = _rows(model, q, x, kind, key, block)
    if kind == "weights":
        return carry.at[index].set(rows.astype(carry.dtype))
    fill = -jnp.inf if kind == "mean of w" else 0.0
    rows = used_rows(rows, index * block, num_samples, fill)
    return add_log_terms(carry, rows) if kind == "mean of w" else carry + jnp.sum(rows, axis=0)


def _rows(model, q, x, kind, key, num_samples):
    """num_samples log weights for each row of x, (num_samples, batch); or log p(x | z) alone."""
    if kind == "KL by formula":
        return log_likelihood(model, q.sample(key, (num_samples,)), x, q.batch_shape)
    z, log_q = q.sample_and_log_prob(key, (num_samples,))
    check_latents(model, z)
    log_ratio = prior_of(model).log_prob(z) - log_q
    if not q.batch_shape:
        log_ratio = log_ratio[:, None]  # the rows of x share it
    return log_likelihood(model, z, x, q.batch_shape) + log_ratio


def _measure(kind, model, q, x, key, num_samples):
    """The estimate, in pieces where it takes long, and looked at.

    Many rows that have a q each are measured in groups, each with a key of its own.
    """
    if not isinstance(model, Split):
        return _estimate(model, q, x, key, num_samples=num_samples, kind=kind)
    facts = facts_of(model, x)
    supported("x", x, facts.support)
    size = facts.pairs if q.batch_shape or not facts.pairwise else len(x)
    groups = []
    for first in range(0, len(x), size):
        # The last group is filled up with its own rows, so that nothing compiles again.
        rows = np.resize(np.arange(first, min(first + size, len(x))), min(size, len(x)))
        own, part = (q, x) if len(rows) == len(x) else (q[rows], x[rows])
        own_key = part_key(key, first if q.batch_shape else 0)
        groups.append(_measure_rows(kind, model, own, part, own_key, num_samples, facts))
    values = groups[0] if len(groups) == 1 else jnp.concatenate(groups, axis=-1)[..., : len(x)]
    look_at(values, model, q, x)
    return values


def _measure_rows(kind, model, q, x, key, num_samples, facts):
    block = largest_block(q, facts, len(x))
    if num_samples <= block:
        return _estimate(model, q, x, key, num_samples=num_samples, kind=kind)
    return _by_blocks(model, q, x, key, num_samples, block, kind)


def part_key(key, number: int):
    """The key of a part of one measurement: the first part's is `key` itself.

    Not one of those that `split` makes of it: they are fold_in's of small numbers.
    """
    key = jax.random.clone(key)
    return jax.random.fold_in(jax.random.fold_in(key, PARTS), number) if number else key


def look_at(values, model, q, x) -> None:
    """Raises ValueError if a result is NaN or infinite, and says what made it so."""
    found = np.asarray(values)
    wrong = ~np.isfinite(found)
    if not wrong.any():
        return
    if found.ndim == 2:  # a weight of 0 is one, unless all of them are
        wrong &= (found != -np.inf) | (found == -np.inf).all(axis=0)[None]
        if not wrong.any():
            return
    row = int(np.argwhere(wrong)[0, -1])
    value = found[..., row][wrong[..., row]].ravel()[0]
    culprit = not_finite_in(model.state, "model") or not_finite_in(q, "q")
    if culprit is None:
        largest = np.abs(np.asarray(x[row])).argmax()
        culprit = (
            "log p(x | z), log p(z) or log q(z) overflows there, or no sample explains that x (its "
            f"largest value is {float(x[row, largest]):g}, in column {largest}): look at q and at "
            "the decoder for this row, and bring the data to a scale of about 1"
        )
    rows = np.atleast_2d(wrong).any(axis=0).sum()
    raise ValueError(
        f"the estimate is {value:g} for row {row} of x ({rows} of {len(x)} rows): {culprit}"
    )


class Facts(Static):
    """What the shapes alone say about log p(x | z); a value that carries no arrays.

    support: the values that the likelihood takes, or None: any. pairs: how many (z, x) are
    decoded at once. pairwise: whether it has `pairwise_log_prob`.
    """

    def __init__(self, value):
        super().__init__(value)
        self.support, self.pairs, self.pairwise = value


jax.tree_util.register_static(Facts)


@compiled
def facts_of(model, x) -> Facts:
    """The facts of a model, whole or split.

    Raises:
        ValueError: if its log p(x | z) does not take x, or is not one number per pair.
    """
    parts = split(model)  # what is traced here is put together anew: nothing changes in the model

    def log_prob(z, x):
        with without_values("decode"):
            p = merge(parts).decode(z)
        seen.append(p)
        try:
            with without_values("log_prob"):
                return p.log_prob(x)
        except (TypeError, ValueError) as error:
            name = type(p).__name__
            reason = str(error).split("\n")[0]
            raise ValueError(
                f"p(x | z), a {name}, does not take x with {x.shape[-1]} columns: {reason}"
            ) from error

    seen = []
    z, one = jnp.zeros((1, model.latent_dim)), jnp.zeros((1, x.shape[-1]), x.dtype)
    jaxpr = jax.make_jaxpr(log_prob)(z, one)
    p, shape = seen[0], jaxpr.out_avals[0].shape
    if shape != (1,):
        raise ValueError(
            f"log_prob of {type(p).__name__} gives shape {shape} for one x and one z, and must "
            "give (1,): it sums over the last axis, the dimensions of x"
        )
    pairs = max(1, min(PAIRS, NUMBERS // _largest_array(jaxpr.jaxpr)))
    return Facts((getattr(p, "support", None), pairs, hasattr(p, "pairwise_log_prob")))


def _largest_array(jaxpr) -> int:
    """Numbers in the largest array that the program makes."""
    shapes = (getattr(v.aval, "shape", ()) for e in equations(jaxpr) for v in e.outvars)
    return max(map(math.prod, shapes), default=1)


def log_likelihood(model, z, x, batch_shape) -> jax.Array:
    """log p(x | z) for z (n, batch, latent_dim), or (n, latent_dim) shared by all x; (n, batch)."""
    check_latents(model, z)
    x = shared_out(x)
    if not batch_shape:
        p = model.decode(z)
        if hasattr(p, "pairwise_log_prob"):  # one matrix product
            return p.pairwise_log_prob(x)
        return jax.lax.map(lambda one: model.decode(one[None]).log_prob(x), z)
    samples = max(1, AT_ONCE * num_devices() // len(x))
    if len(z) <= 2 * samples or jax.default_backend() != "cpu":
        return _log_likelihood_of_pairs(model, z, x)
    # In parts that stay in the processor's cache; the last is filled up.
    parts = -(-len(z) // samples)
    samples = -(-len(z) // parts)
    filled = jnp.concatenate([z, z[: parts * samples - len(z)]])
    filled = filled.reshape(parts, samples, *z.shape[1:])
    values = jax.lax.map(lambda part: _log_likelihood_of_pairs(model, part, x), filled)
    return values.reshape(-1, len(x))[: len(z)]


def _log_likelihood_of_pairs(model, z, x):
    # Pairs in one row: a decoder of one's own needs to know one leading axis only. Those of one
    # x stand together, so that a device that has some rows of x has their pairs.
    pairs = len(x), len(z)
    p = model.decode(shared_out(z.swapaxes(0, 1)).reshape(-1, z.shape[-1]))
    if isinstance(p, Distribution) and len(z) > 1:  # x as it is: nothing is done n times to it
        p = jax.tree.map(lambda leaf: leaf.reshape(*pairs, *leaf.shape[1:]), p)
        return p.log_prob(x[:, None]).T
    return p.log_prob(jnp.repeat(x, len(z), axis=0)).reshape(pairs).T


def largest_block(q, facts: Facts, batch: int) -> int:
    """Samples that are drawn at once."""
    if q.batch_shape or not facts.pairwise:
        return max(1, facts.pairs // batch)
    return min(BLOCK, facts.pairs)


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


def check(model: Model, q: Proposal, x, key, num_samples: int):
    """The model split (whole inside compiled code), x as floats, num_samples as an int.

    Raises:
        ValueError: where an estimator could only fail later, or less clearly.
    """
    model, x = check_model(model, x)
    check_proposal(q, x)
    if is_concrete(key):
        random_key(key)
    if isinstance(model, Split) and not is_concrete(q, key):
        model = merge(model)
    return model, x, positive_integer("num_samples", num_samples)


def check_model(model: Model, x):
    """The model split (whole inside compiled code), and x (batch, data_dim) as floats.

    Raises:
        ValueError: if x is no such matrix, or the model is none or in training mode.
    """
    x = matrix("x", x)
    check_is_model(model)
    parts = split(model)
    if is_tracing() or not is_concrete(parts, x):
        return model, x
    evaluation_mode(model)
    return parts, x


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
