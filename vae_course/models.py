"""Networks: an MLP, decoders from z to a distribution over x, encoders from x to one over z."""

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from vae_course.checks import function, positive_integer, positive_number, random_key
from vae_course.distributions import Bernoulli, Distribution, Gaussian, standard_normal


class Model(Protocol):
    """What a model is: a prior over z and a decoder from z to x. An encoder is no part of it.

    A `prior` may be left out: it is a standard normal then. A learned one is a property
    that builds its distribution from `nnx.Param`s, so that `fit` trains it:

        @property
        def prior(self):
            return vc.Gaussian(self.prior_mean[...], self.prior_log_var[...])
    """

    latent_dim: int

    def decode(self, z: jax.Array):
        """p(x | z): z (..., latent_dim) -> distribution over (..., data_dim)."""


def check_is_model(model) -> None:
    """Raises ValueError if it has not what a `Model` has."""
    if not (hasattr(model, "decode") and hasattr(model, "latent_dim")):
        raise ValueError(
            f"a model has `latent_dim` and `decode(z)`; {type(model).__name__} has not"
        )


def prior_of(model: Model) -> Distribution:
    """The model's `prior`; the standard normal of `latent_dim` dimensions where it has none.

    Raises:
        ValueError: if `prior` is no distribution, or one with a batch.
    """
    check_is_model(model)
    prior = getattr(model, "prior", None)
    if prior is None:
        return standard_normal(model.latent_dim)
    if not hasattr(prior, "log_prob"):
        raise ValueError(
            f"the model's prior is a {type(prior).__name__}: it must be a distribution, or a "
            "property that returns one"
        )
    if prior.batch_shape != ():
        raise ValueError(f"a prior is one for all x: batch_shape (), got {prior.batch_shape}")
    return prior


class MLP(nnx.Module):
    """A multilayer perceptron of the given layer sizes, from input to output.

    The activation follows every layer but the last.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        activation: Callable = nnx.silu,
        rngs: nnx.Rngs,
    ):
        sizes = layer_sizes("sizes", sizes)
        if len(sizes) < 2:
            raise ValueError(f"an MLP has two sizes or more, input and output, got {sizes}")
        rngs = rngs_of(rngs)
        self.activation = function("activation", activation)
        self.layers = nnx.data(
            [nnx.Linear(i, o, rngs=rngs) for i, o in zip(sizes[:-1], sizes[1:], strict=True)]
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        """(..., sizes[0]) -> (..., sizes[-1])."""
        *hidden, last = self.layers
        wanted = self.layers[0].in_features
        if jnp.ndim(x) == 0 or jnp.shape(x)[-1] != wanted:
            raise ValueError(f"this network takes {wanted} columns, got shape {jnp.shape(x)}")
        for layer in hidden:
            x = self.activation(layer(x))
        return last(x)


class Decoder(nnx.Module):
    """p(x | z): an MLP from z to the parameters of the likelihood; by default Bernoulli logits.

    Args:
        latent_dim, hidden, data_dim: layer sizes, from z to x.
        likelihood: outputs -> distribution (`likelihoods`); an object with
            `outputs_per_dim` where that is not 1.
        mean_image: (data_dim,) in [0, 1]; if given, the output bias starts at its
            logit, so that the untrained model already draws the average image.
    """

    def __init__(
        self,
        latent_dim: int,
        hidden: Sequence[int],
        data_dim: int,
        *,
        activation: Callable = nnx.silu,
        mean_image: jax.Array | None = None,
        likelihood: Callable = Bernoulli,
        rngs: nnx.Rngs,
    ):
        self.latent_dim, hidden, data_dim = checked_sizes(latent_dim, hidden, data_dim)
        self.likelihood = function("likelihood", likelihood)
        num_outputs = data_dim * getattr(likelihood, "outputs_per_dim", 1)
        sizes = self.latent_dim, *hidden, num_outputs
        self.mlp = MLP(sizes, activation=activation, rngs=rngs)
        if mean_image is not None:
            start_at_mean(self.mlp, mean_image)

    def decode(self, z: jax.Array):
        """z (..., latent_dim) -> distribution over (..., data_dim)."""
        return self.likelihood(self.mlp(z))


class FourierDecoder(nnx.Module):
    """A decoder that sees u, sin(u @ W) and cos(u @ W), W random and fixed, u = 2 Phi(z) - 1.

    Random Fourier features (Rahimi & Recht 2007; Tancik et al. 2020) let an MLP
    bend quickly with z: more detail from the same few latents. Phi, the standard
    normal's distribution function, spreads that detail evenly over the prior's mass.
    """

    def __init__(
        self,
        latent_dim: int,
        hidden: Sequence[int],
        data_dim: int,
        *,
        num_frequencies: int = 64,
        scale: float = 4.0,
        mean_image: jax.Array | None = None,
        rngs: nnx.Rngs,
    ):
        self.latent_dim, hidden, data_dim = checked_sizes(latent_dim, hidden, data_dim)
        latent_dim, rngs = self.latent_dim, rngs_of(rngs)
        num_frequencies = positive_integer("num_frequencies", num_frequencies)
        frequencies = positive_number("scale", scale) * jax.random.normal(
            rngs.params(), (latent_dim, num_frequencies)
        )
        self.frequencies = nnx.Variable(frequencies)  # not nnx.Param: never trained
        width = latent_dim + 2 * num_frequencies
        self.mlp = MLP((width, *hidden, data_dim), rngs=rngs)
        if mean_image is not None:
            start_at_mean(self.mlp, mean_image)

    def decode(self, z: jax.Array) -> Bernoulli:
        """z (..., latent_dim) -> Bernoulli over (..., data_dim)."""
        u = jax.scipy.special.erf(z / jnp.sqrt(2.0))
        waves = u @ self.frequencies[...]
        return Bernoulli(self.mlp(jnp.concatenate([u, jnp.sin(waves), jnp.cos(waves)], axis=-1)))


class Encoder(nnx.Module):
    """q(z | x): an MLP from x to the mean and log variance of independent normals.

    Args:
        data_dim, hidden, latent_dim: layer sizes, from x to z.
    """

    def __init__(
        self,
        data_dim: int,
        hidden: Sequence[int],
        latent_dim: int,
        *,
        activation: Callable = nnx.silu,
        rngs: nnx.Rngs,
    ):
        latent_dim, hidden, data_dim = checked_sizes(latent_dim, hidden, data_dim)
        self.mlp = MLP((data_dim, *hidden, 2 * latent_dim), activation=activation, rngs=rngs)

    def encode(self, x: jax.Array) -> Gaussian:
        """x (..., data_dim) in [0, 1] -> Gaussian over (..., latent_dim)."""
        return Gaussian(*jnp.split(self.mlp(2 * x - 1), 2, axis=-1))


class VAE(nnx.Module):
    """A decoder, and an encoder with the same hidden layers in reverse (Kingma & Welling 2014)."""

    def __init__(
        self,
        latent_dim: int,
        hidden: Sequence[int],
        data_dim: int,
        *,
        activation: Callable = nnx.silu,
        mean_image: jax.Array | None = None,
        likelihood: Callable = Bernoulli,
        rngs: nnx.Rngs,
    ):
        self.latent_dim, hidden, data_dim = checked_sizes(latent_dim, hidden, data_dim)
        latent_dim, rngs = self.latent_dim, rngs_of(rngs)
        options = {"activation": activation, "mean_image": mean_image, "likelihood": likelihood}
        self.decoder = Decoder(latent_dim, hidden, data_dim, **options, rngs=rngs)
        self.encoder = Encoder(data_dim, hidden[::-1], latent_dim, activation=activation, rngs=rngs)

    def decode(self, z: jax.Array):
        """p(x | z) for z (..., latent_dim)."""
        return self.decoder.decode(z)

    def encode(self, x: jax.Array) -> Gaussian:
        """q(z | x) for x (..., data_dim)."""
        return self.encoder.encode(x)


def layer_sizes(name: str, sizes) -> tuple[int, ...]:
    """One size or several as a tuple; ValueError if one is not a positive integer."""
    sizes = (sizes,) if np.ndim(sizes) == 0 else tuple(sizes)
    return tuple(positive_integer(name, size) for size in sizes)


def rngs_of(rngs) -> nnx.Rngs:
    """nnx.Rngs as they are, or made of a seed or a key."""
    if isinstance(rngs, nnx.Rngs):
        return rngs
    is_seed = isinstance(rngs, Integral) and not isinstance(rngs, bool)
    return nnx.Rngs(int(rngs) if is_seed else random_key(rngs))


def checked_sizes(latent_dim, hidden, data_dim) -> tuple[int, tuple[int, ...], int]:
    """The sizes of a model as Python's integers; ValueError if one is not positive."""
    latent_dim = positive_integer("latent_dim", latent_dim)
    return latent_dim, layer_sizes("hidden", hidden), positive_integer("data_dim", data_dim)


def start_at_mean(mlp: MLP, mean_image: jax.Array) -> None:
    """Sets the output bias to the logit of `mean_image`, kept within ±log(999)."""
    bias = mlp.layers[-1].bias
    mean_image = np.asarray(mean_image, dtype=float)
    if mean_image.shape != bias.shape or not (mean_image.min() >= 0 and mean_image.max() <= 1):
        raise ValueError(
            f"mean_image must have shape {bias.shape} and values in [0, 1], got shape "
            f"{mean_image.shape}; data.train_images.mean(axis=0) is what is meant"
        )
    clipped = np.clip(mean_image, 1e-3, 1 - 1e-3)
    bias[...] = jnp.log(clipped) - jnp.log1p(-clipped)
