"""Distributions, as pytrees: event = last axis, log densities in nats.

Each keeps its parameters in arrays whose leading axes are a batch, so that one
object can hold the distributions of a thousand images. Any of them can be the q of
an estimator: `bounds.Proposal` says what that takes.
"""

from dataclasses import dataclass, fields
from functools import wraps
from numbers import Integral
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import Precision
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import logsumexp

from vae_course.checks import (
    ROUNDING,
    finite,
    float_array,
    is_concrete,
    numbers,
    positive_integer,
    what_is_where,
)

LOG_2PI = 1.8378770664093453
SMALL = 0.1  # |logit| below which the formulas lose digits and a series is exact to float32


class Distribution:
    """What all distributions share. A subclass gives `sample`, `log_prob` and its parameters."""

    reparameterised: ClassVar[bool]  # whether gradients flow through samples to the parameters
    event_axes: ClassVar[dict[str, int]]  # parameter -> how many of its last axes are no batch
    support: ClassVar[tuple[float, float] | None] = None  # lowest and highest value; None: any

    def __post_init__(self):
        for name in self.event_axes:
            array = numbers(f"{type(self).__name__}: {name}", getattr(self, name))
            object.__setattr__(self, name, jnp.asarray(array))
        self.batch_shape  # noqa: B018  it checks the shapes
        for name in self.event_axes:
            finite(
                f"{type(self).__name__}: {name}", getattr(self, name), "; check what computed it"
            )
        self._check_values()

    def _check_values(self) -> None:
        """Raises ValueError if a parameter is out of range; for concrete ones."""

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The leading axes: one distribution for each of their places.

        Raises:
            ValueError: if the parameters do not have the same.
        """
        return self._batch_shape()

    def _batch_shape(self) -> tuple[int, ...]:
        shapes = {name: jnp.shape(getattr(self, name)) for name in self.event_axes}
        for name, axes in self.event_axes.items():
            if len(shapes[name]) < axes:
                raise ValueError(
                    f"{type(self).__name__}: {name} needs {axes} axes or more, the last for the "
                    f"dimensions of one x or z, got shape {shapes[name]}"
                )
        if len(set(shapes.values())) > 1:
            both = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            raise ValueError(
                f"{type(self).__name__}: the parameters must have equal shapes, got {both}; "
                "jnp.broadcast_to makes them equal"
            )
        (shape,) = set(shapes.values())
        return shape[: len(shape) - max(self.event_axes.values())]

    def __getitem__(self, rows) -> "Distribution":
        """The distributions of these rows of the batch (an index, a slice, an array, a mask).

        What all rows share stays whole; a distribution without a batch is returned as it is.
        """
        if isinstance(rows, tuple) or rows is Ellipsis or rows is None:
            raise ValueError(f"q[rows] selects along the batch axis only, got [{rows}]")
        if not self.batch_shape:
            return self
        if is_concrete(rows) and not isinstance(rows, slice):
            try:
                rows = np.asarray(rows)
                np.empty((self.batch_shape[0], 0))[rows]  # JAX takes any other row instead
            except IndexError as error:
                raise ValueError(f"q[rows] of {self.batch_shape[0]} rows: {error}") from None
        return self._select(rows)

    def _select(self, rows):
        return type(self)(*(getattr(self, name)[rows] for name in self.event_axes))

    def sample_and_log_prob(self, key: jax.Array, sample_shape=()) -> tuple[jax.Array, jax.Array]:
        """Samples (*sample_shape, ..., d) and their log p (*sample_shape, ...)."""
        x = self.sample(key, sample_shape)
        return x, self.log_prob(x)


def named_if_wrong(log_prob):
    """A `log_prob` that on concrete values says which x, or which result, cannot be right."""

    @wraps(log_prob)
    def call(self, x):
        x = jnp.asarray(float_array("x", x))
        if x.ndim == 0:
            raise ValueError("x needs an axis for its dimensions, got a single number")
        values = log_prob(self, x)
        if is_concrete(values):
            wrong = ~np.isfinite(values)
            if self.support:  # outside it -inf is right
                wrong &= np.asarray(values) != -np.inf
            if wrong.any():
                raise ValueError(
                    f"{type(self).__name__}: log p(x) {what_is_where(np.asarray(values), wrong)}: "
                    f"it overflows {values.dtype}; bring x and the parameters to a scale of about 1"
                )
        return values

    return call


def as_pytree(cls):
    """Registers a frozen dataclass whose shapes are checked where it is made by hand.

    JAX's transformations fill its fields with what has other shapes, or none; what they
    put together is not checked until it is used.
    """
    names = [field.name for field in fields(cls)]

    def flatten(made):
        return [(jax.tree_util.GetAttrKey(n), getattr(made, n)) for n in names], None

    def unflatten(_, leaves):
        made = object.__new__(cls)
        for name, leaf in zip(names, leaves, strict=True):
            object.__setattr__(made, name, leaf)
        return made

    jax.tree_util.register_pytree_with_keys(cls, flatten, unflatten)
    return cls


@as_pytree
@dataclass(frozen=True, eq=False)
class Bernoulli(Distribution):
    """Independent coin flips with the given log-odds, `logits` of shape (..., d).

    Logits and not probabilities: x * logit - softplus(logit) stays exact at
    logit = 200, where a float32 probability has long been rounded to 1.
    """

    logits: jax.Array
    reparameterised = False
    event_axes = {"logits": 1}
    support = (0, 1)

    @property
    def mean(self) -> jax.Array:
        """The probability of a one; shape (..., d)."""
        return jax.nn.sigmoid(self.logits)

    @property
    def mode(self) -> jax.Array:
        """The likelier of 0 and 1; shape (..., d)."""
        return (self.logits > 0).astype(self.logits.dtype)

    @named_if_wrong
    def log_prob(self, x: jax.Array) -> jax.Array:
        """log p(x) in nats, summed over the last axis, -inf where x leaves [0, 1]; shape (...,).

        For x between 0 and 1 it is minus the cross-entropy, which is no log probability.
        """
        outside = _log_inside(x)
        x, logits = aligned(x, self.logits)
        values = jnp.sum(x * logits - jax.nn.softplus(logits), axis=-1)
        return values + jnp.broadcast_to(outside, values.shape)

    @named_if_wrong
    def pairwise_log_prob(self, x: jax.Array) -> jax.Array:
        """Every x against every parameter row, in one matrix product.

        Args:
            x: (batch, d), against logits of shape (num_params, d).
        Returns:
            log p(x_j | logits_i) in nats; shape (num_params, batch).
        Raises:
            ValueError: if either is not a matrix, or the last axes differ.
        """
        check_pairs(x, self.logits)
        normaliser = jnp.sum(jax.nn.softplus(self.logits), axis=-1, keepdims=True)
        return matrix_product(self.logits, x.T) - normaliser + _log_inside(x)[None]

    def sample(self, key: jax.Array, sample_shape=()) -> jax.Array:
        """Zeros and ones, float32; shape (*sample_shape, ..., d)."""
        shape = (*sample_axes(sample_shape), *self.logits.shape)
        return jax.random.bernoulli(key, jnp.broadcast_to(self.mean, shape)).astype(jnp.float32)


@as_pytree
@dataclass(frozen=True, eq=False)
class Gaussian(Distribution):
    """Independent normals; `mean` and `log_var` of the same shape (..., d)."""

    mean: jax.Array
    log_var: jax.Array
    reparameterised = True
    event_axes = {"mean": 1, "log_var": 1}

    def _check_values(self):
        if is_concrete(self.log_var):
            log_var = np.asarray(self.log_var)
            bad = np.abs(log_var) > np.log(jnp.finfo(log_var.dtype).max)
            if bad.any():
                raise ValueError(
                    f"Gaussian: log_var {what_is_where(log_var, bad)}: the variance, its exp, does "
                    f"not fit in {log_var.dtype}; for a network's, bound it or scale its input"
                )

    @property
    def mode(self) -> jax.Array:
        """The mean; shape (..., d)."""
        return self.mean

    @named_if_wrong
    def log_prob(self, x: jax.Array) -> jax.Array:
        """log p(x) in nats, summed over the last axis; shape (...,)."""
        x, mean, log_var = aligned(x, self.mean, self.log_var)
        squares = jnp.square(x - mean) * jnp.exp(-log_var)
        return -0.5 * jnp.sum(squares + log_var + LOG_2PI, axis=-1)

    @named_if_wrong
    def pairwise_log_prob(self, x: jax.Array) -> jax.Array:
        """Every x against every parameter row, in one matrix product.

        Args:
            x: (batch, d), against means of shape (num_params, d).
        Returns:
            log p(x_j | mean_i, log_var_i) in nats; shape (num_params, batch).
        Raises:
            ValueError: if either is not a matrix, or the last axes differ.
        """
        check_pairs(x, self.mean)
        # The square is multiplied out to become a product. Centring first keeps
        # float32 from losing the small difference of two large squares.
        centre = jnp.mean(x, axis=0, keepdims=True)
        x, mean = x - centre, self.mean - centre
        precision = jnp.exp(-self.log_var)
        rows = jnp.concatenate([precision, mean * precision], axis=-1)
        columns = jnp.concatenate([-0.5 * jnp.square(x), x], axis=-1)
        constant = jnp.square(mean) * precision + self.log_var + LOG_2PI
        return matrix_product(rows, columns.T) - 0.5 * jnp.sum(constant, axis=-1, keepdims=True)

    def sample(self, key: jax.Array, sample_shape=()) -> jax.Array:
        """mean + std * noise; shape (*sample_shape, ..., d)."""
        noise = jax.random.normal(key, (*sample_axes(sample_shape), *self.mean.shape))
        _, mean, log_var = aligned(noise, self.mean, self.log_var)
        return mean + jnp.exp(0.5 * log_var) * noise


@as_pytree
@dataclass(frozen=True, eq=False)
class MultivariateNormal(Distribution):
    """A normal with any covariance: `mean` (..., d), `covariance` (..., d, d) or one (d, d)."""

    mean: jax.Array
    covariance: jax.Array
    reparameterised = True
    event_axes = {"mean": 1, "covariance": 2}

    @property
    def mode(self) -> jax.Array:
        """The mean; shape (..., d)."""
        return self.mean

    @named_if_wrong
    def log_prob(self, x: jax.Array) -> jax.Array:
        """log p(x) in nats; shape (...,)."""
        x, mean = aligned(x, self.mean)
        if is_concrete(x, self):  # in float64: exact for nearly singular covariances too
            return self._exact_log_prob(np.float64(x), np.float64(mean)).astype(x.dtype)
        cholesky = jnp.linalg.cholesky(self.covariance)
        diagonal = jnp.diagonal(cholesky, axis1=-2, axis2=-1)
        log_determinant = 2 * jnp.sum(jnp.log(diagonal), axis=-1)
        white = self._per_covariance(_solve, cholesky, x - mean)
        squares = jnp.sum(jnp.square(white), axis=-1)
        log_determinant = jnp.broadcast_to(log_determinant, squares.shape)
        return -0.5 * (squares + log_determinant + x.shape[-1] * LOG_2PI)

    def sample(self, key: jax.Array, sample_shape=()) -> jax.Array:
        """mean + cholesky @ noise; shape (*sample_shape, ..., d)."""
        noise = jax.random.normal(key, (*sample_axes(sample_shape), *self.mean.shape))
        cholesky = jnp.linalg.cholesky(self.covariance)
        _, mean = aligned(noise, self.mean)
        return mean + self._per_covariance(matrix_product, cholesky, noise)

    def _exact_log_prob(self, x: np.ndarray, mean: np.ndarray) -> jax.Array:
        cholesky = np.linalg.cholesky(np.float64(self.covariance))
        log_determinant = 2 * np.log(np.diagonal(cholesky, axis1=-2, axis2=-1)).sum(axis=-1)
        rows = (x - mean).reshape(-1, *cholesky.shape[:-2], x.shape[-1])
        white = np.linalg.solve(cholesky, np.moveaxis(rows, 0, -1))
        squares = np.moveaxis(np.square(white).sum(axis=-2), -1, 0).reshape(x.shape[:-1])
        return jnp.asarray(-0.5 * (squares + log_determinant + x.shape[-1] * LOG_2PI))

    def _check_values(self):
        if not is_concrete(self.covariance):
            return
        covariance = np.asarray(self.covariance)
        size = np.abs(covariance).max(initial=0)
        if (np.abs(covariance - covariance.swapaxes(-1, -2)) > 1e-4 * size).any():
            raise ValueError("MultivariateNormal: the covariance is not symmetric")
        try:
            np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError:
            smallest = np.linalg.eigvalsh(np.float64(covariance)).min()
            raise ValueError(
                f"MultivariateNormal: the covariance is not positive definite in "
                f"{covariance.dtype}: its smallest eigenvalue is {smallest:.3g}, its largest entry "
                f"{size:.3g}; add to its diagonal, or use 64 bits "
                "(jax.config.update('jax_enable_x64', True))"
            ) from None

    def _per_covariance(self, function, matrices, vectors):
        """function(matrix, columns) of every matrix and the vectors (..., d) that belong to it."""
        dim, batch = vectors.shape[-1], matrices.shape[:-2]
        rows = vectors.reshape(-1, *batch, dim)  # the samples first
        columns = jnp.moveaxis(rows, 0, -1)  # (*batch, d, samples)
        for _ in batch:
            function = jax.vmap(function)
        return jnp.moveaxis(function(matrices, columns), -1, 0).reshape(vectors.shape)

    def _batch_shape(self) -> tuple[int, ...]:
        mean, covariance = jnp.shape(self.mean), jnp.shape(self.covariance)
        if not mean or covariance not in (mean[-1:] * 2, (*mean, *mean[-1:])):
            raise ValueError(
                "MultivariateNormal: covariance must have shape (d, d), or (..., d, d) for a mean "
                f"of shape (..., d), got mean {mean}, covariance {covariance}"
            )
        return mean[:-1]

    def _select(self, rows):
        shared = jnp.ndim(self.covariance) == 2
        return MultivariateNormal(
            self.mean[rows], self.covariance if shared else self.covariance[rows]
        )


@as_pytree
@dataclass(frozen=True, eq=False)
class ContinuousBernoulli(Distribution):
    """Independent values in [0, 1], density proportional to exp(logit * x); logits (..., d).

    What a Bernoulli's formula becomes for grey values once it is normalised
    (Loaiza-Ganem & Cunningham 2019).
    """

    logits: jax.Array
    reparameterised = True
    event_axes = {"logits": 1}
    support = (0, 1)

    @property
    def mean(self) -> jax.Array:
        """Not sigmoid(logits), but closer to 1/2; shape (..., d)."""
        safe = _away_from_zero(self.logits)
        exact = 1 / -jnp.expm1(-safe) - 1 / safe
        series = 0.5 + self.logits / 12 - self.logits**3 / 720
        return jnp.where(jnp.abs(self.logits) < SMALL, series, exact)

    @property
    def mode(self) -> jax.Array:
        """Always an end of the interval, 0 or 1; shape (..., d)."""
        return (self.logits > 0).astype(self.logits.dtype)

    @named_if_wrong
    def log_prob(self, x: jax.Array) -> jax.Array:
        """Log density, summed over the last axis, -inf where x leaves [0, 1]; shape (...,)."""
        outside = _log_inside(x)
        x, logits = aligned(x, self.logits)
        values = jnp.sum(x * logits - _log_normaliser(logits), axis=-1)
        return values + jnp.broadcast_to(outside, values.shape)

    @named_if_wrong
    def pairwise_log_prob(self, x: jax.Array) -> jax.Array:
        """Every x (batch, d) against every row of logits (num_params, d), as `Bernoulli` does."""
        check_pairs(x, self.logits)
        normaliser = jnp.sum(_log_normaliser(self.logits), axis=-1, keepdims=True)
        return matrix_product(self.logits, x.T) - normaliser + _log_inside(x)[None]

    def sample(self, key: jax.Array, sample_shape=()) -> jax.Array:
        """By the inverse of the distribution function; (*sample_shape, ..., d)."""
        u = jax.random.uniform(key, (*sample_axes(sample_shape), *self.logits.shape))
        u, logits = aligned(u, self.logits)
        safe = -jnp.abs(_away_from_zero(logits))  # mirrored, so that exp cannot overflow
        falling = jnp.log1p(u * jnp.expm1(safe)) / safe
        return jnp.clip(jnp.where(logits > 0, 1 - falling, falling), 0, 1)


@as_pytree
@dataclass(frozen=True, eq=False)
class Categorical(Distribution):
    """Each value is one of K levels, 0, 1/(K-1), ..., 1; logits (..., d, K)."""

    logits: jax.Array
    reparameterised = False
    event_axes = {"logits": 2}
    support = (0, 1)

    @property
    def levels(self) -> jax.Array:
        """The K values; shape (K,)."""
        return jnp.linspace(0, 1, self.logits.shape[-1])

    @property
    def mean(self) -> jax.Array:
        """(..., d)."""
        return jax.nn.softmax(self.logits) @ self.levels

    @property
    def mode(self) -> jax.Array:
        """The likeliest level of each value; (..., d)."""
        return self.levels[jnp.argmax(self.logits, axis=-1)]

    @named_if_wrong
    def log_prob(self, x: jax.Array) -> jax.Array:
        """Log probability of the levels nearest to x (..., d), -inf outside [0, 1]; (...,)."""
        picked, log_probs = aligned(
            _one_hot(x, self.logits.shape[-1]), jax.nn.log_softmax(self.logits), last=2
        )
        inside = jnp.broadcast_to(_log_inside(x), picked.shape[:-2])
        return jnp.sum(picked * log_probs, axis=(-2, -1)) + inside

    @named_if_wrong
    def pairwise_log_prob(self, x: jax.Array) -> jax.Array:
        """Every x (batch, d) against every row of logits (num_params, d, K)."""
        check_pairs(x, self.logits[..., 0])
        log_probs = jax.nn.log_softmax(self.logits).reshape(len(self.logits), -1)
        picked = _one_hot(x, self.logits.shape[-1]).reshape(len(x), -1)
        return matrix_product(log_probs, picked.T) + _log_inside(x)[None]

    def sample(self, key: jax.Array, sample_shape=()) -> jax.Array:
        """(*sample_shape, ..., d)."""
        shape = (*sample_axes(sample_shape), *self.logits.shape[:-1])
        return self.levels[jax.random.categorical(key, self.logits, shape=shape)]


@as_pytree
@dataclass(frozen=True, eq=False)
class Mixture(Distribution):
    """A mixture: component i with probability weights_i.

    As a proposal, Mixture((q, prior), (0.5, 0.5)) keeps every importance weight below
    twice the likelihood: q finds the place, the prior leaves nothing out.

    Args:
        components: distributions over the same z; each has a row for every x, or one for all.
        weights: (num_components,), positive, sum 1.
    """

    components: tuple[Distribution, ...]
    weights: jax.Array
    reparameterised = False  # which component a sample comes from is a jump
    event_axes = {"weights": 1}

    def __post_init__(self):
        object.__setattr__(self, "components", tuple(self.components))
        if not isinstance(self.weights, jax.core.Tracer):
            weights = np.asarray(numbers("Mixture: weights", self.weights))
            if not ((weights > 0).all() and abs(weights.sum() - 1) < 1e-5):
                got = weights.tolist()
                raise ValueError(f"the weights must be positive and sum to 1, got {got}")
        super().__post_init__()

    @property
    def support(self) -> tuple[float, float] | None:
        """That of the components, where it is one for all."""
        supports = {component.support for component in self.components}
        return supports.pop() if len(supports) == 1 else None

    @property
    def mean(self) -> jax.Array:
        """(..., d)."""
        shape = self.batch_shape
        means = [jnp.broadcast_to(c.mean, (*shape, c.mean.shape[-1])) for c in self.components]
        return sum(weight * mean for weight, mean in zip(self.weights, means, strict=True))

    @named_if_wrong
    def log_prob(self, x: jax.Array) -> jax.Array:
        """log of the weighted sum of the components' densities, in nats; shape (...,)."""
        terms = zip(jnp.log(self.weights), self.components, strict=True)
        return logsumexp(
            jnp.stack(jnp.broadcast_arrays(*(w + c.log_prob(x) for w, c in terms))), axis=0
        )

    def sample(self, key: jax.Array, sample_shape=()) -> jax.Array:
        """Each sample from a component drawn for it; (*sample_shape, ..., d)."""
        pick_key, *keys = jax.random.split(key, 1 + len(self.components))
        sample_shape = sample_axes(sample_shape)
        shape = (*sample_shape, *self.batch_shape)
        draws = [
            component.sample(one, sample_shape if component.batch_shape else shape)
            for component, one in zip(self.components, keys, strict=True)
        ]
        picked = jax.random.categorical(pick_key, jnp.log(self.weights), shape=shape)
        return jnp.take_along_axis(jnp.stack(draws), picked[None, ..., None], axis=0)[0]

    def _batch_shape(self) -> tuple[int, ...]:
        if jnp.shape(self.weights) != (len(self.components),):
            raise ValueError(
                f"a weight for each of {len(self.components)} components, got shape "
                f"{jnp.shape(self.weights)}"
            )
        shapes = {c.batch_shape for c in self.components} - {()}
        if len(shapes) > 1:
            raise ValueError(f"the components must have equal batch shapes or none, got {shapes}")
        return shapes.pop() if shapes else ()

    def _select(self, rows):
        return Mixture(tuple(c[rows] for c in self.components), self.weights)


def kl_divergence(q: Distribution, p: Distribution) -> jax.Array:
    """KL(q || p) of two normals in nats, summed over the last axis; the batch's shape.

    By formula, for any of `Gaussian` and `MultivariateNormal`. expm1 keeps it exact in
    float32 where q almost is p, as in a latent about to collapse.

    Raises:
        TypeError: where there is no formula here; `elbo` samples it then.
        ValueError: where the result overflows.
    """
    if not has_kl_formula(q, p):
        raise TypeError(f"no formula for KL({type(q).__name__} || {type(p).__name__})")
    values = _kl_of_normals(q, p)
    way_out = f": q and p are too far apart for {values.dtype}"
    finite(f"KL({type(q).__name__} || {type(p).__name__})", values, way_out)
    return values


def _kl_of_normals(q, p) -> jax.Array:
    if isinstance(q, Gaussian) and isinstance(p, Gaussian):
        mean, log_var, p_mean, p_log_var = aligned(q.mean, q.log_var, p.mean, p.log_var)
        ratio = log_var - p_log_var
        squares = jnp.square(mean - p_mean) * jnp.exp(-p_log_var)
        return 0.5 * jnp.sum(jnp.expm1(ratio) - ratio + squares, axis=-1)
    mean, p_mean = aligned(q.mean, p.mean)
    roots = [jnp.linalg.cholesky(_covariance(one)) for one in (q, p)]
    own, other = (jnp.broadcast_to(root, (*mean.shape, mean.shape[-1])) for root in roots)
    # Both in coordinates where p is a standard normal.
    root = solve_triangular(other, own, lower=True)
    shift = solve_triangular(other, (mean - p_mean)[..., None], lower=True)[..., 0]
    log_ratio = 2 * jnp.log(jnp.diagonal(root, axis1=-2, axis2=-1))
    squares = jnp.sum(jnp.square(root), axis=-1) - 1 + jnp.square(shift)
    return 0.5 * jnp.sum(squares - log_ratio, axis=-1)


def has_kl_formula(q, p) -> bool:
    """Whether `kl_divergence(q, p)` knows a formula."""
    return all(isinstance(one, (Gaussian, MultivariateNormal)) for one in (q, p))


def standard_normal(dim: int) -> Gaussian:
    """The prior of this course, N(0, I) in `dim` dimensions."""
    dim = positive_integer("dim", dim)
    return Gaussian(jnp.zeros(dim), jnp.zeros(dim))


def aligned(*arrays: jax.Array, last: int = 1) -> tuple[jax.Array, ...]:
    """Broadcasts the leading axes explicitly; the `last` axes must already agree."""
    if len({jnp.shape(a)[-last:] for a in arrays}) > 1:
        shapes = " and ".join(str(jnp.shape(a)) for a in arrays)
        raise ValueError(f"the last axes must be equal, got shapes {shapes}")
    try:
        shape = np.broadcast_shapes(*(jnp.shape(a) for a in arrays))
    except ValueError:
        shapes = " and ".join(str(jnp.shape(a)) for a in arrays)
        raise ValueError(f"the leading axes do not go together in shapes {shapes}") from None
    return tuple(jnp.broadcast_to(a, shape) for a in arrays)


def check_pairs(x: jax.Array, parameters: jax.Array) -> None:
    if x.ndim != 2 or parameters.ndim != 2 or x.shape[1] != parameters.shape[1]:
        raise ValueError(
            "pairwise_log_prob needs x of shape (batch, d) and parameters of shape "
            f"(num_params, d), got {x.shape} and {parameters.shape}"
        )


def matrix_product(rows: jax.Array, columns: jax.Array) -> jax.Array:
    # Accelerators round the inputs of a product to 10 bits unless told not to:
    # over 784 pixels that costs whole nats.
    return jnp.matmul(rows, columns, precision=Precision.HIGHEST)


def sample_axes(sample_shape) -> tuple[int, ...]:
    """`sample_shape` as a tuple; a number n means (n,)."""
    sizes = (sample_shape,) if np.ndim(sample_shape) == 0 else tuple(sample_shape)
    if not all(isinstance(size, Integral) and size >= 0 for size in sizes):
        raise ValueError(f"sample_shape is a number of samples or several, got {sample_shape!r}")
    return tuple(map(int, sizes))


def _solve(cholesky, columns):
    return solve_triangular(cholesky, columns, lower=True)


def _covariance(normal) -> jax.Array:
    if isinstance(normal, MultivariateNormal):
        return normal.covariance
    var = jnp.exp(normal.log_var)
    eye = jnp.broadcast_to(jnp.eye(var.shape[-1]), (*var.shape, var.shape[-1]))
    return eye * var[..., None]


def _away_from_zero(logits: jax.Array) -> jax.Array:
    # A division by 0 in the branch not taken would still make the gradient NaN.
    return jnp.where(jnp.abs(logits) < 1e-4, 1e-4, logits)


def _log_normaliser(logits: jax.Array) -> jax.Array:
    """log of the integral of exp(logit * x) over [0, 1], that is log((e^logit - 1) / logit)."""
    size = jnp.abs(_away_from_zero(logits))
    exact = jax.nn.relu(logits) + jnp.log(-jnp.expm1(-size) / size)
    series = logits / 2 + logits**2 / 24 - logits**4 / 2880
    return jnp.where(jnp.abs(logits) < SMALL, series, exact)


def _log_inside(x: jax.Array) -> jax.Array:
    """0 where every value of a row lies in [0, 1], but for rounding, else -inf; (...,)."""
    inside = jnp.all((x >= -ROUNDING) & (x <= 1 + ROUNDING), axis=-1)
    return jnp.where(inside, 0.0, -jnp.inf)


def _one_hot(x: jax.Array, num_levels: int) -> jax.Array:
    levels = jax.nn.one_hot(jnp.round(x * (num_levels - 1)).astype(int), num_levels)
    return levels + 0 * x[..., None]  # NaN stays NaN
