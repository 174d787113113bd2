"""Two wrong answers to each exercise as a learner might write them, independent of its data.

Each with its exercise's number and a part of the diagnosis that it gets.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

import vae_course as vc


def gaussian(x, mean, std):
    return -0.5 * (x - mean) ** 2 / std**2 - np.log(std)


def draws(model, key, num_samples, noise=True):
    z_key, x_key = jax.random.split(key)
    z = jax.random.normal(z_key, (num_samples, model.latent_dim))
    p = model.decode(z)
    return p.sample(jax.random.clone(z_key) if noise == "same" else x_key) if noise else p.mean


def spread(weights, z):
    squares = jnp.square(z[:, None] - (weights.T @ z)[None])
    return jnp.sqrt(jnp.sum(weights[:, :, None] * squares, axis=0))


def log_table(model, x, z):
    return model.decode(z).pairwise_log_prob(x)


def naive_price(log_probs):
    r = jax.nn.softmax(log_probs, axis=0)
    return jnp.sum(r * jnp.log(len(r) * r), axis=0)


def kl(mean, log_var, axis=-1):
    return 0.5 * jnp.sum(jnp.exp(log_var) + mean**2 - 1 - log_var, axis=axis)


def moments(z, weights):
    mean = weights @ z
    return mean, (weights[:, None] * (z - mean[None])).T @ (z - mean[None])


def score(z, f, mean, std, baseline):
    return jnp.mean((f - baseline) * (z - mean) / std**2)


def elbo(x, mean, log_var, noise, decode, over=jnp.sum):
    logits = decode(mean + jnp.exp(0.5 * log_var) * noise)
    return over(x * logits - jax.nn.softplus(logits), axis=-1) - kl(mean, log_var)


def pooled_error(estimates):
    return (estimates.std(ddof=1) / estimates.size**0.5,) * 2


def log_normal(x, mean, std):
    return -jnp.sum((x - mean) ** 2, axis=1) / (2 * std**2)


WRONG = [
    ("00.1", lambda v, p: v.mean(), "weigh each value by its probability"),
    ("00.1", lambda v, p: (v * p).mean(), "Do not divide"),
    ("00.2", lambda p: jnp.log(jnp.prod(p)), "underflows"),
    ("00.2", lambda p: np.log10(p).sum(), "log base 10"),
    ("00.3", gaussian, "integrate to 1"),
    ("00.3", lambda x, m, s: gaussian(x, m, s).sum(), "yours is a number"),
    ("00.4", lambda w, x, y: 2 * (w * x - y), "inner derivative"),
    ("00.4", lambda w, x, y: jax.grad(lambda x: (w * x - y) ** 2)(x), "with respect to x"),
    ("01.1", lambda x, m, s: vc.log_mean_exp(gaussian(x[None], m[:, None], s)), "-log(2π)/2"),
    (
        "01.1",
        lambda x, m, s: jnp.log(
            jax.scipy.stats.norm.pdf(x[None], m[:, None], s).mean(axis=0),
        ),
        "every density underflows",
    ),
    ("01.2", lambda *a: draws(*a, noise=False), "without its noise"),
    ("01.2", lambda *a: draws(*a, noise="same"), "are the same numbers"),
    ("02.1", lambda v: jnp.std(v) / jnp.sqrt(len(v)), "spread of the log values"),
    (
        "02.1",
        lambda v: jnp.std(jnp.exp(v)) / jnp.exp(v).mean() / len(v) ** 0.5,
        "Subtract the largest",
    ),
    ("02.2", lambda m, x, z: spread(jax.nn.softmax(log_table(m, x, z)), z), "over the images"),
    ("02.2", lambda m, x, z: jnp.tile(z.std(0), (len(x), 1)), "plain spread of z"),
    ("03.1", naive_price, "You return nan"),
    ("03.1", lambda v: -naive_price(v) + jnp.log(len(v)), "entropy of r"),
    (
        "03.2",
        lambda m, c: 0.5 * (jnp.trace(c) + m @ m - len(m) - jnp.linalg.slogdet(c)[1]),
        "KL in nats",
    ),
    (
        "03.2",
        lambda m, c: kl(m, jnp.log(jnp.diag(c))) / jnp.log(10),
        "correlated",
    ),
    ("04.1", lambda x, p, q: vc.log_mean_exp(x), "another model's p(x)"),
    ("04.1", lambda x, p, q: jnp.log(jnp.exp(x + p - q).mean(axis=0)), "is 0 in float32"),
    ("04.2", lambda z, w: moments(z, jnp.full(len(z), 1 / len(z))), "plain mean"),
    ("04.2", lambda z, w: moments(z, jnp.exp(w) / jnp.exp(w).sum()), "overflows"),
    ("05.1", lambda v, k: v.mean(axis=0), "That is the ELBO"),
    ("05.1", lambda v, k: vc.log_mean_exp(v), "groups of k"),
    ("05.2", lambda m, s: kl(m, s) / m.shape[1], "summed over them"),
    ("05.2", lambda m, s: kl(-m * jnp.exp(-s / 2), -s), "other order"),
    ("06.1", lambda m, s, e: m + jnp.exp(s) * e, "its square root"),
    ("06.1", lambda m, s, e: jnp.exp(0.5 * s) * e, "mean is missing"),
    ("06.2", lambda z, f, m, s: score(z, f, m, s, 0.0), "baseline is missing"),
    ("06.2", lambda z, f, m, s: score(z, f, m, s, f.mean()), "leave each one out"),
    ("07.1", jnp.diag, "narrower q"),
    ("07.1", lambda c: 1 / jnp.diag(c), "invert the matrix first"),
    ("07.2", lambda e, m: m[e.mean(axis=1).argmax()], "each has its own"),
    ("07.2", lambda e, m: m.mean(axis=0), "lies a valley"),
    ("08.1", lambda *a: elbo(*a, over=jnp.mean), "mean over pixels"),
    ("08.1", lambda x, m, s, e, d: elbo(x, m, s, 0 * e, d), "noise is missing"),
    ("08.2", lambda m, s: kl(m, s, axis=0), "average them"),
    ("08.2", lambda m, s: kl(m, s), "one number per latent"),
    ("09.1", lambda p, b, e: (p - b.mean(0), p - e.mean(0)), "whole gap"),
    ("09.1", lambda p, b, e: p - b.mean(0), "Return two arrays"),
    ("09.2", pooled_error, "as if they were independent"),
    ("09.2", lambda v: (v.mean(1).std(ddof=1), v.mean(0).std(ddof=1)), "standard deviations"),
    ("10.1", lambda c, s: 0.5 * jnp.sum(c**2, axis=1), "½‖z‖² alone"),
    ("10.1", lambda c, s: kl(c, jnp.full_like(c, 2 * jnp.log(s)), axis=1) * 2, "factor ½"),
    ("10.2", lambda e, r, p: (p - e).mean() / r.mean(), "That is 1 - β"),
    ("10.2", lambda e, r, p: 1 - ((p - e) / r).mean(), "mean of their ratios"),
    ("11.1", log_normal, "constant is missing"),
    ("11.1", lambda x, m, s: log_normal(x, m, s) - jnp.log(2 * jnp.pi * s**2) / 2, "d times"),
    ("11.2", lambda v, k, d: vc.log_mean_exp(v) - jnp.log(k), "every dimension"),
    ("11.2", lambda v, k, d: logsumexp(v, axis=0) - d * jnp.log(k), "number of draws"),
    ("12.1", lambda q: (jnp.diag(q).mean() - q.mean(), jnp.log(len(q))), "mean of the logs"),
    (
        "12.1",
        lambda q: ((jnp.diag(q) - logsumexp(q, axis=0)).mean(), jnp.log(len(q))),
        "1/n is missing",
    ),
    ("12.2", lambda e, v: 0.5 * jnp.log(e / v), "not negative"),
    ("12.2", lambda e, v: jnp.maximum(e - v, 0), "weight's square"),
    ("13.1", lambda p, b: b[1:] @ p, "not by b_t itself"),
    ("13.1", lambda p, b: p.sum(axis=0), "Without the ladder"),
    ("13.2", lambda u, d: (vc.log_mean_exp(u), vc.log_mean_exp(d)), "minus the log"),
    ("13.2", lambda u, d: (u.mean(axis=0), -d.mean(axis=0)), "mean of the logs"),
    ("14.1", lambda u, s: vc.standard_normal(u.shape[1]).log_prob(u), "change of volume"),
    (
        "14.1",
        lambda u, s: vc.standard_normal(u.shape[1]).log_prob(u) + s.sum(axis=0),
        "stretches",
    ),
    ("14.2", lambda w: (jax.nn.softmax(w, axis=0),) * 2, "DReG squares"),
    ("14.2", lambda w: (jax.nn.softmax(w), jax.nn.softmax(w) ** 2), "axis 0"),
]
