"""Examiners of lesson 13: the weight of annealed chains, and the bracket around log p(x)."""

import jax.numpy as jnp
import numpy as np
from scipy.special import logsumexp

from vae_course.exercises.diagnosis import diagnose


def examine_annealed_weight(fn) -> str | None:
    """fn(log p(x | z_t) (T, chains), ladder (T + 1,)) -> (chains,)."""
    for seed, (steps, chains) in enumerate(((5, 7), (12, 4), (1, 3))):
        rng = np.random.default_rng(seed)
        log_p = -rng.gamma(4, size=(steps, chains)) * 10
        ladder = np.append(0, np.cumsum(rng.dirichlet(np.ones(steps))))
        right = np.diff(ladder) @ log_p
        mistakes = {
            "Each step counts by the difference b_t - b_(t-1), not by b_t itself.": (
                ladder[1:] @ log_p
            ),
            "Each step counts by the difference b_t - b_(t-1), not by b_(t-1).": (
                ladder[:-1] @ log_p
            ),
            "The factors multiply, so their logs add up: a sum over steps, not a mean.": (
                right / steps
            ),
            "Without the ladder every step counts fully; b_t - b_(t-1) is missing.": (
                log_p.sum(axis=0)
            ),
            "The sign: upwards the weight is p(x | z) to the power b_t - b_(t-1).": -right,
        }
        answer = fn(jnp.array(log_p, jnp.float32), jnp.array(ladder, jnp.float32))
        diagnosis = diagnose(answer, right, mistakes)
        if diagnosis:
            return diagnosis
    return None


def examine_bracket(fn) -> str | None:
    """fn(log weights up, log weights down) -> lower, upper."""
    for seed, (chains, batch) in enumerate(((6, 3), (20, 2), (3, 5))):
        rng = np.random.default_rng(seed)
        up = rng.normal(-90, 2, size=(chains, batch))
        down = rng.normal(88, 2, size=(chains, batch))
        count = np.log(chains)
        lower, upper = logsumexp(up, axis=0) - count, count - logsumexp(down, axis=0)
        mistakes = {
            "The mean weight downwards estimates 1/p(x): take minus the log for the upper side.": (
                [lower, -upper]
            ),
            "Averaging 1/weight downwards gives p(x), not 1/p(x): negate after the mean.": (
                [lower, logsumexp(-down, axis=0) - count]
            ),
            "You took the mean of the logs; log of the mean weight is asked for.": (
                [up.mean(axis=0), -down.mean(axis=0)]
            ),
            "The mean over chains, not the sum: the number of chains is missing.": (
                [lower + count, upper - count]
            ),
            "Turned round: the lower side first, then the upper.": [upper, lower],
        }
        answer = fn(jnp.array(up, jnp.float32), jnp.array(down, jnp.float32))
        if not isinstance(answer, tuple) or len(answer) != 2:
            return "Return two arrays: the lower side, then the upper."
        mistakes = {text: np.stack(value) for text, value in mistakes.items()}
        diagnosis = diagnose(np.stack(answer), np.stack([lower, upper]), mistakes)
        if diagnosis:
            return diagnosis
    return None


EXAMINERS = {"13.1": examine_annealed_weight, "13.2": examine_bracket}
