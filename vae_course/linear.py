"""Models whose log p(x), posterior and ELBO have closed forms, in nats.

Every estimate of this course is shown beside an exact answer: this one, or quadrature.
Outside compiled code the answers are computed in float64 and then rounded: noise of a
millionth of the signal's variance costs no digit. Inside compiled code, and where one
differentiates, the same formulas run in the arrays' own type.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.scipy.linalg import solve_triangular

from vae_course.checks import (
    finite,
    is_concrete,
    matrix,
    numbers,
    positive_integer,
    positive_number,
)
from vae_course.distributions import (
    LOG_2PI,
    Gaussian,
    MultivariateNormal,
    as_pytree,
    has_kl_formula,
    matrix_product,
)
from vae_course.models import rngs_of


@as_pytree
@dataclass(frozen=True, eq=False)
class LinearGaussian:
    """z ~ N(0, I), x | z ~ N(weights @ z + bias, noise_var * I): all in closed form.

    Probabilistic principal component analysis (Tipping & Bishop 1999).

    Args:
        weights: (data_dim, latent_dim); bias: (data_dim,); noise_var: scalar > 0.
    Raises:
        ValueError: in every answer, where shapes do not match, noise_var is not positive,
            or something is NaN or infinite.
    """

    weights: jax.Array
    bias: jax.Array
    noise_var: jax.Array

    def __post_init__(self):
        for name in ("weights", "bias", "noise_var"):
            array = numbers(f"LinearGaussian: {name}", getattr(self, name))
            object.__setattr__(self, name, jnp.asarray(array))

    @property
    def latent_dim(self) -> int:
        return self.weights.shape[1]

    def decode(self, z: jax.Array) -> Gaussian:
        """p(x | z) for z (..., latent_dim)."""
        product = matrix_product(z, self.weights.T)
        mean = product + jnp.broadcast_to(self.bias, product.shape)
        return Gaussian(mean, jnp.full(mean.shape, jnp.log(self.noise_var)))

    def log_likelihood(self, x: jax.Array) -> jax.Array:
        """log N(x; bias, weights @ weights.T + noise_var * I) for x (batch, data_dim)."""
        x = self._checked(x)
        return _rounded(self._log_likelihood, x)

    def posterior(self, x: jax.Array) -> MultivariateNormal:
        """p(z | x) for x (batch, data_dim): one mean per row, one covariance for all.

        Raises:
            ValueError: if a covariance so nearly singular does not fit into its float type.
        """
        x = self._checked(x)
        return MultivariateNormal(*_rounded(self._posterior, x))

    def exact_elbo(self, q: Gaussian | MultivariateNormal, x: jax.Array) -> jax.Array:
        """E_q[log p(x | z)] - KL(q || N(0, I)) for x (batch, data_dim), by formula; (batch,).

        Raises:
            TypeError: if q is not a normal distribution.
        """
        if not has_kl_formula(q, q):
            raise TypeError(f"no exact ELBO for a q that is a {type(q).__name__}; elbo samples it")
        x = self._checked(x)
        if q.mean.shape[-1] != self.latent_dim or q.batch_shape not in ((), (len(x),)):
            raise ValueError(
                f"q has batch_shape {q.batch_shape} and {q.mean.shape[-1]} latents, for {len(x)} "
                f"rows of x and {self.latent_dim} latents"
            )
        return _rounded(self._exact_elbo, q, x)

    def best_diagonal(self, x: jax.Array) -> Gaussian:
        """The diagonal q of the highest ELBO: the posterior's mean, 1 / diag of its precision.

        (Bishop 2006, section 10.1.2.) It is narrower than the posterior wherever the
        latents are correlated.
        """
        x = self._checked(x)
        return Gaussian(*_rounded(self._best_diagonal, x))

    def _checked(self, x):
        x = matrix("x", x)
        shapes = [jnp.shape(a) for a in (self.weights, self.bias, self.noise_var)]
        if shapes != [(x.shape[1], *shapes[0][1:2]), (x.shape[1],), ()] or len(shapes[0]) != 2:
            raise ValueError(
                "weights, bias and noise_var must have shapes (data_dim, latent_dim), (data_dim,) "
                f"and (), got {shapes[0]}, {shapes[1]} and {shapes[2]}, for x of shape {x.shape}"
            )
        if is_concrete(self):
            for name in ("weights", "bias", "noise_var"):
                finite(f"LinearGaussian: {name}", getattr(self, name))
            if not np.asarray(self.noise_var) > 0:
                raise ValueError(
                    f"noise_var is a variance and must be positive, got {self.noise_var}"
                )
        return x

    # Each formula in the numbers it is given: float64 of NumPy's, or traced ones.

    def _root(self, xp):
        """Cholesky of noise_var * (posterior precision): noise_var * I + weights.T @ weights."""
        product = _product(xp, self.weights.T, self.weights)
        return xp.linalg.cholesky(product + self.noise_var * xp.eye(self.weights.shape[1]))

    def _posterior_mean(self, xp, x):
        projected = _product(xp, x - self.bias[None], self.weights)
        return _solve(xp, self._root(xp), projected.T).T

    def _log_likelihood(self, xp, x):
        # Two squares instead of their difference: what the posterior mean leaves, and its length.
        data_dim, latent_dim = self.weights.shape
        mean = self._posterior_mean(xp, x)
        left = x - self.bias[None] - _product(xp, mean, self.weights.T)
        squares = xp.square(left).sum(axis=-1) / self.noise_var + xp.square(mean).sum(axis=-1)
        log_determinant = 2 * xp.log(xp.diagonal(self._root(xp))).sum()
        log_determinant = log_determinant + (data_dim - latent_dim) * xp.log(self.noise_var)
        return -0.5 * (squares + log_determinant + data_dim * LOG_2PI)

    def _posterior(self, xp, x):
        eye = xp.eye(self.weights.shape[1])
        covariance = self.noise_var * _solve(xp, self._root(xp), eye)
        return self._posterior_mean(xp, x), 0.5 * (covariance + covariance.T)

    def _best_diagonal(self, xp, x):
        precision = 1 + xp.square(self.weights).sum(axis=0) / self.noise_var
        mean = self._posterior_mean(xp, x)
        return mean, xp.broadcast_to(-xp.log(precision), mean.shape)

    def _exact_elbo(self, xp, q, x):
        # The expected squares are those at the mean of q, plus what the spread of q adds:
        # tr(weights.T @ weights @ covariance of q) / noise_var, and the trace of the covariance.
        data_dim, latent_dim = self.weights.shape
        product = _product(xp, self.weights.T, self.weights) / self.noise_var + xp.eye(latent_dim)
        if isinstance(q, Gaussian):
            spread = _product(xp, xp.exp(q.log_var), xp.diagonal(product))
            log_determinant = q.log_var.sum(axis=-1)
        else:
            root = xp.linalg.cholesky(q.covariance)
            product = xp.broadcast_to(product, q.covariance.shape)
            spread = (product * q.covariance).sum(axis=(-2, -1))
            log_determinant = 2 * xp.log(xp.diagonal(root, axis1=-2, axis2=-1)).sum(axis=-1)
        mean = xp.broadcast_to(q.mean, (len(x), latent_dim))
        left = x - self.bias[None] - _product(xp, mean, self.weights.T)
        squares = xp.square(left).sum(axis=-1) / self.noise_var + xp.square(mean).sum(axis=-1)
        constant = data_dim * (xp.log(self.noise_var) + LOG_2PI) - latent_dim
        return -0.5 * (squares + spread - log_determinant + constant)


def _rounded(formula, *args):
    """The method `formula` of a LinearGaussian at args: in float64, rounded once, if it can be."""
    model = formula.__self__
    if not is_concrete(model, args):
        return formula(jnp, *args)
    wanted = jnp.result_type(float)
    exact, args = jax.tree.map(np.float64, (model, args))
    with np.errstate(over="ignore", invalid="ignore"):
        found = getattr(exact, formula.__name__)(np, *args)
        found = jax.tree.map(lambda a: np.asarray(a, wanted), found)
    way_out = f" in {np.dtype(wanted)}; bring x and the model to a scale of about 1"
    for array in jax.tree.leaves(found):
        finite(f"LinearGaussian: the result of {formula.__name__.strip('_')}", array, way_out)
    return jax.tree.map(jnp.asarray, found)


def _product(xp, rows, columns):
    return matrix_product(rows, columns) if xp is jnp else rows @ columns


def _solve(xp, root, columns):
    """(root @ root.T)^-1 @ columns."""
    if xp is np:
        return np.linalg.solve(root.T, np.linalg.solve(root, columns))
    return solve_triangular(root, solve_triangular(root, columns, lower=True), lower=True, trans=1)


class LinearVAE(nnx.Module):
    """A VAE with a linear decoder, a linear encoder, and a q whose variances x does not change.

    Its largest ELBO is the largest log p(x) of the linear-Gaussian model (Lucas et al. 2019).

    Args:
        noise_var: a number keeps the noise variance there; None: it is trained, from 1.
    """

    def __init__(
        self,
        latent_dim: int,
        data_dim: int,
        *,
        noise_var: float | None = None,
        rngs: nnx.Rngs,
    ):
        rngs = rngs_of(rngs)
        latent_dim = self.latent_dim = positive_integer("latent_dim", latent_dim)
        data_dim = positive_integer("data_dim", data_dim)
        self.decoder = nnx.Linear(latent_dim, data_dim, rngs=rngs)
        self.encoder = nnx.Linear(data_dim, latent_dim, rngs=rngs)
        self.q_log_var = nnx.Param(jnp.zeros(latent_dim))
        kind = nnx.Param if noise_var is None else nnx.Variable  # a Variable is not trained
        noise_var = 1.0 if noise_var is None else positive_number("noise_var", noise_var)
        self.log_noise_var = kind(jnp.log(noise_var))

    def model(self) -> LinearGaussian:
        """The decoder with its prior: what log p(x) is of."""
        noise_var = jnp.exp(self.log_noise_var[...])
        return LinearGaussian(self.decoder.kernel[...].T, self.decoder.bias[...], noise_var)

    def decode(self, z: jax.Array) -> Gaussian:
        """p(x | z) for z (..., latent_dim)."""
        return self.model().decode(z)

    def encode(self, x: jax.Array) -> Gaussian:
        """q(z | x) for x (..., data_dim)."""
        mean = self.encoder(x)
        return Gaussian(mean, jnp.broadcast_to(self.q_log_var[...], mean.shape))

    def exact_elbo(self, q: Gaussian | MultivariateNormal, x: jax.Array) -> jax.Array:
        """As `LinearGaussian.exact_elbo`; (batch,)."""
        return self.model().exact_elbo(q, x)
