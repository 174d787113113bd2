"""Networks: an MLP, decoders from z to a distribution over x, encoders from x to one over z.

A model is anything with `latent_dim` and `decode(z) -> distribution`; and, where there
is a proposal q for z given x, `encode(x) -> distribution`.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from vae_course.distributions import Bernoulli, Gaussian


class MLP(nnx.Module):
    """Fully connected layers of the given sizes, input first, none after the last."""

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        activation: Callable = nnx.silu,
        rngs: nnx.Rngs,
    ):
        self.activation = activation
        self.layers = nnx.data(
            [nnx.Linear(i, o, rngs=rngs) for i, o in zip(sizes[:-1], sizes[1:], strict=True)]
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        """(..., sizes[0]) -> (..., sizes[-1])."""
        *hidden, last = self.layers
        for layer in hidden:
            x = self.activation(layer(x))
        return last(x)


class Decoder(nnx.Module):
    """p(x | z): an MLP from z to what the likelihood wants; by default logits of Bernoulli pixels.

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
        self.latent_dim = latent_dim
        self.likelihood = likelihood
        num_outputs = data_dim * getattr(likelihood, "outputs_per_dim", 1)
        self.mlp = MLP((latent_dim, *hidden, num_outputs), activation=activation, rngs=rngs)
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
        self.latent_dim = latent_dim
        frequencies = scale * jax.random.normal(rngs.params(), (latent_dim, num_frequencies))
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
        self.latent_dim = latent_dim
        options = {"activation": activation, "mean_image": mean_image, "likelihood": likelihood}
        self.decoder = Decoder(latent_dim, hidden, data_dim, **options, rngs=rngs)
        self.encoder = Encoder(data_dim, hidden[::-1], latent_dim, activation=activation, rngs=rngs)

    def decode(self, z: jax.Array):
        """p(x | z) for z (..., latent_dim)."""
        return self.decoder.decode(z)

    def encode(self, x: jax.Array) -> Gaussian:
        """q(z | x) for x (..., data_dim)."""
        return self.encoder.encode(x)


def start_at_mean(mlp: MLP, mean_image: jax.Array) -> None:
    """Sets the output bias to the logit of `mean_image`, kept within ±log(999)."""
    bias = mlp.layers[-1].bias
    mean_image = np.asarray(mean_image)
    if mean_image.shape != bias.shape or not (mean_image.min() >= 0 and mean_image.max() <= 1):
        raise ValueError(
            f"mean_image must have shape {bias.shape} and values in [0, 1], got shape "
            f"{mean_image.shape}; data.train_images.mean(axis=0) is what is meant"
        )
    clipped = np.clip(mean_image, 1e-3, 1 - 1e-3)
    bias[...] = jnp.log(clipped) - jnp.log1p(-clipped)
