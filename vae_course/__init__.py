"""Variational auto-encoders, from log p(x). In lessons: `import vae_course as vc`.

What is not named here is in its room: `vc.likelihoods`, `vc.distributions`, `vc.inference`,
`vc.autoregressive`, ...
"""

from vae_course import versions  # noqa: F401, I001  first: it refuses too old a stack
from vae_course import autoregressive, distributions, inference, likelihoods, trained  # noqa: F401
from vae_course.annealing import ais, reverse_ais
from vae_course.bounds import (
    effective_sample_size,
    elbo,
    iwae,
    log_weights,
    prior_log_likelihood,
)
from vae_course.data import binarize, load
from vae_course.distributions import (
    Bernoulli,
    Gaussian,
    MultivariateNormal,
    kl_divergence,
    standard_normal,
)
from vae_course.inference import active_units, evaluate, fit_posterior, gaps
from vae_course.linear import LinearGaussian, LinearVAE
from vae_course.models import MLP, VAE, Decoder, Encoder, FourierDecoder, prior_of
from vae_course.quadrature import grid_log_likelihood, grid_posterior
from vae_course.saving import load_model, save
from vae_course.streaming import log_mean_exp
from vae_course.training import fit, warmup_cosine

__version__ = "0.1.0"

__all__ = [
    "MLP",
    "VAE",
    "Bernoulli",
    "Decoder",
    "Encoder",
    "FourierDecoder",
    "Gaussian",
    "LinearGaussian",
    "LinearVAE",
    "MultivariateNormal",
    "active_units",
    "ais",
    "binarize",
    "effective_sample_size",
    "elbo",
    "evaluate",
    "fit",
    "fit_posterior",
    "gaps",
    "grid_log_likelihood",
    "grid_posterior",
    "iwae",
    "kl_divergence",
    "load",
    "load_model",
    "log_mean_exp",
    "log_weights",
    "prior_log_likelihood",
    "prior_of",
    "reverse_ais",
    "save",
    "standard_normal",
    "warmup_cosine",
]

OLD_NAMES = {
    "AutoregressiveVAE": "vc.autoregressive.AutoregressiveVAE",
    "Categorical": "vc.distributions.Categorical",
    "ContinuousBernoulli": "vc.distributions.ContinuousBernoulli",
    "Dataset": "vc.data.Dataset",
    "Estimate": "vc.inference.Estimate",
    "FixedGaussian": "vc.likelihoods.FixedGaussian",
    "Gaps": "vc.inference.Gaps",
    "GaussianPerPixel": "vc.likelihoods.GaussianPerPixel",
    "LearnedGaussian": "vc.likelihoods.LearnedGaussian",
    "Levels": "vc.likelihoods.CategoricalPixels",
    "MultivariateGaussian": "vc.MultivariateNormal",
    "WithProposal": "q as an argument, vc.elbo(model, q, x, key)",
    "annealed_log_likelihood": "vc.log_mean_exp(vc.ais(model, q, x, key)) or, from above, "
    "-vc.log_mean_exp(vc.reverse_ais(...))",
    "annealed_log_weights": "vc.ais(model, q, x, key) or vc.reverse_ais",
    "check": "lesson.check, from vae_course import lesson",
    "claim": "lesson.claims, one call for all of a lesson, from vae_course import lesson",
    "diagrams": "vae_course.lesson.plotting",
    "elbo_analytic_kl": "vc.elbo(model, q, x, key)",
    "estimators": "vc.bounds",
    "evaluation": "vc.inference",
    "exact": "vc.linear",
    "importance_log_weights": "vc.log_weights(model, q, x, key, num_samples=...)",
    "iwae_bound": "vc.iwae(model, q, x, key, num_samples=...)",
    "kl_to_standard_normal": "vc.kl_divergence(q, vc.standard_normal(latent_dim))",
    "plotting": "vae_course.lesson.plotting",
    "proposals": "q as an argument, vc.elbo(model, q, x, key)",
    "recorded": "lesson.recorded, from vae_course import lesson",
    "refine_posterior": "vc.fit_posterior(model, q, x, key)",
    "setup": "lesson.setup, from vae_course import lesson",
    "show": "lesson.show, from vae_course import lesson",
}


def __getattr__(name: str):
    """Old names say the new ones."""
    if name in OLD_NAMES:
        raise AttributeError(f"vae_course has no {name}: it is {OLD_NAMES[name]} now")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
