"""Every test runs with keys that may be used only once and with no silent broadcasting."""

import os

os.environ.setdefault("TQDM_DISABLE", "1")

import jax
import matplotlib as mpl

mpl.use("agg")
jax.config.update("jax_debug_key_reuse", True)
jax.config.update("jax_numpy_rank_promotion", "raise")
