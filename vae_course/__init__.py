"""The helper package of the course. In lessons: `import vae_course as vc`."""

from vae_course import versions  # noqa: F401  first: it refuses too old a stack
from vae_course.annealing import annealed_log_likelihood, annealed_log_weights
from vae_course.autoregressive import AutoregressiveVAE
from vae_course.claims import claim, recorded
from vae_course.data import Dataset, binarize, load
from vae_course.distributions import (
    Bernoulli,
    Gaussian,
    MultivariateGaussian,
    kl_to_standard_normal,
    standard_normal,
)
from vae_course.estimators import (
    effective_sample_size,
    elbo,
    elbo_analytic_kl,
    importance_log_weights,
    iwae_bound,
    log_mean_exp,
    prior_log_likelihood,
)
from vae_course.evaluation import (
    Estimate,
    Gaps,
    active_units,
    evaluate,
    gaps,
    refine_posterior,
)
from vae_course.exact import LinearGaussian, LinearVAE
from vae_course.exercises import check
from vae_course.likelihoods import (
    Categorical,
    ContinuousBernoulli,
    FixedGaussian,
    GaussianPerPixel,
    LearnedGaussian,
    Levels,
)
from vae_course.machine import setup
from vae_course.models import MLP, VAE, Decoder, Encoder, FourierDecoder
from vae_course.proposals import WithProposal
from vae_course.quadrature import grid_log_likelihood, grid_posterior
from vae_course.training import fit

__version__ = "0.1.0"


def __getattr__(name: str):
    """`show` brings matplotlib: it is loaded when it is first wanted, not on import."""
    if name == "show":
        from vae_course.plotting import show

        return show
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "refine_posterior",
    "gaps",
    "evaluate",
    "active_units",
    "Gaps",
    "Estimate",
    "MLP",
    "VAE",
    "AutoregressiveVAE",
    "Bernoulli",
    "Categorical",
    "ContinuousBernoulli",
    "Dataset",
    "Decoder",
    "Encoder",
    "FixedGaussian",
    "FourierDecoder",
    "Gaussian",
    "GaussianPerPixel",
    "LearnedGaussian",
    "Levels",
    "LinearGaussian",
    "LinearVAE",
    "MultivariateGaussian",
    "WithProposal",
    "annealed_log_likelihood",
    "annealed_log_weights",
    "binarize",
    "check",
    "claim",
    "effective_sample_size",
    "elbo",
    "elbo_analytic_kl",
    "fit",
    "grid_log_likelihood",
    "grid_posterior",
    "importance_log_weights",
    "iwae_bound",
    "kl_to_standard_normal",
    "load",
    "log_mean_exp",
    "prior_log_likelihood",
    "recorded",
    "setup",
    "show",
    "standard_normal",
]
