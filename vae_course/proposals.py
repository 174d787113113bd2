"""A model together with a q of one's own, in place of its encoder's."""

from dataclasses import dataclass
from typing import Any

import jax


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class WithProposal:
    """A model with a q made for certain x: `encode` returns `q`, one row for each of them.

    Args:
        model: anything with latent_dim and decode.
        q: a distribution over z whose mean has shape (batch, latent_dim).
    """

    model: Any
    q: Any

    @property
    def latent_dim(self) -> int:
        return self.model.latent_dim

    def decode(self, z: jax.Array):
        """As `model.decode`."""
        return self.model.decode(z)

    def encode(self, x: jax.Array):
        """`q`; raises ValueError if its rows are not as many as those of x."""
        if self.q.mean.shape != (len(x), self.latent_dim):
            raise ValueError(
                f"q has a mean of shape {self.q.mean.shape}; for {len(x)} rows of x and "
                f"latent_dim {self.latent_dim} it must be {(len(x), self.latent_dim)}"
            )
        return self.q
