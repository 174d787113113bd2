"""A decoder that can do without z: each pixel also sees the pixels before it, through masks.

MADE (Germain et al. 2015) with one hidden layer, told z. One pass gives log p(x | z); a
sample takes a pass for each pixel.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from vae_course.checks import positive_integer
from vae_course.distributions import Bernoulli, Gaussian, aligned, sample_axes
from vae_course.models import MLP, Encoder, checked_sizes, rngs_of, start_at_mean


class MaskedMLP(nnx.Module):
    """x, context -> logits; those of pixel i depend on pixels 0 to i - 1 only.

    Hidden unit k reads the pixels before place[k] and feeds the logits from place[k] on.

    Args:
        data_dim, width: pixels and hidden units.
    """

    def __init__(self, data_dim: int, width: int, *, rngs: nnx.Rngs):
        self.layers = MLP((data_dim, width, data_dim), rngs=rngs)
        place, pixel = np.linspace(0, data_dim - 1, width).astype(int), np.arange(data_dim)
        self.seen = nnx.Variable(jnp.array(pixel[:, None] < place, jnp.float32))
        self.heard = nnx.Variable(jnp.array(place[:, None] <= pixel, jnp.float32))

    def __call__(self, x: jax.Array, context: jax.Array) -> jax.Array:
        """x (..., data_dim), context (..., width), added to the hidden layer."""
        into, out = self.layers.layers
        seen, heard = into.kernel[...] * self.seen[...], out.kernel[...] * self.heard[...]
        hidden, bias, context = aligned(x @ seen, into.bias[...], context)
        logits = nnx.silu(hidden + bias + context) @ heard
        return logits + jnp.broadcast_to(out.bias[...], logits.shape)


@dataclass(frozen=True)
class AutoregressiveBernoulli:
    """p(x | z) = product over i of p(x_i | x_0 ... x_{i-1}, z), from a `MaskedMLP`."""

    logits_of: Callable
    context: jax.Array
    data_dim: int

    def log_prob(self, x: jax.Array) -> jax.Array:
        """log p(x | z) in nats for x (..., data_dim); shape (...,)."""
        shape = jnp.broadcast_shapes(x.shape[:-1], self.context.shape[:-1])
        x = jnp.broadcast_to(x, (*shape, self.data_dim))
        return Bernoulli(self.logits_of(x, self.context)).log_prob(x)

    def sample(self, key: jax.Array, sample_shape=()) -> jax.Array:
        """Pixel after pixel; zeros and ones, (*sample_shape, ..., data_dim)."""
        shape = (*sample_axes(sample_shape), *self.context.shape[:-1], self.data_dim)
        noise = jax.random.uniform(key, shape)

        def draw(pixel, x):
            probability = jax.nn.sigmoid(self.logits_of(x, self.context)[..., pixel])
            return x.at[..., pixel].set((noise[..., pixel] < probability).astype(x.dtype))

        return jax.lax.fori_loop(0, self.data_dim, draw, jnp.zeros(shape))


class AutoregressiveVAE(nnx.Module):
    """A VAE whose decoder tells each pixel z and the pixels before it.

    Args:
        latent_dim, data_dim: sizes of z and x.
        hidden: layers of the encoder, and in reverse those from z to the masked layer.
        width: hidden units of the masked layer.
        mean_image: as for `Decoder`.
    """

    def __init__(
        self,
        latent_dim: int,
        hidden: Sequence[int],
        data_dim: int,
        *,
        width: int,
        mean_image: jax.Array | None = None,
        rngs: nnx.Rngs,
    ):
        latent_dim, hidden, data_dim = checked_sizes(latent_dim, hidden, data_dim)
        self.latent_dim, self.data_dim = latent_dim, data_dim
        width = positive_integer("width", width)
        rngs = rngs_of(rngs)  # one stream for all parts, also where a seed is given
        self.context = MLP((latent_dim, *hidden[::-1], width), rngs=rngs)
        self.pixels = MaskedMLP(data_dim, width, rngs=rngs)
        self.encoder = Encoder(data_dim, hidden, latent_dim, rngs=rngs)
        if mean_image is not None:
            start_at_mean(self.pixels.layers, mean_image)

    def decode(self, z: jax.Array) -> AutoregressiveBernoulli:
        """p(x | z) for z (..., latent_dim)."""
        return AutoregressiveBernoulli(self.pixels, self.context(z), self.data_dim)

    def encode(self, x: jax.Array) -> Gaussian:
        """q(z | x) for x (..., data_dim)."""
        return self.encoder.encode(x)
