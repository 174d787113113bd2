"""The models that come with the course: trains them, keeps them in half precision, writes cards.

What is measured is what is kept: the weights are read back from their files.
"""

import datetime
import shutil

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from tables import adam, vae_loss

import vae_course as vc
from vae_course import trained

SEED, NUM_SAMPLES = 0, 512
SETTINGS = {
    "generator": dict(batch_size=1024, num_epochs=100, peak=0.01),
    "vae": dict(batch_size=256, num_epochs=100, peak=0.003),
}

TEXT = """# Models that come with the course

Written by `experiments/trained.py` on {date}. Both were trained on MNIST, 60,000 training images,
pixels drawn again (Bernoulli of the grey value) at every visit; adam (b2 = 0.99) with
`vc.warmup_cosine`, seed {seed}. Weights are stored in half precision, and measured as stored.
log p(x) in nats per test image: exact, by quadrature over the two latents, on all 10,000 test
images, their pixels drawn once with `jax.random.key(0)`; ± standard error over images.

| | `vc.trained.generator()` | `vc.trained.vae()` |
|---|---|---|
| layers | 2-200-200-784, silu | 784-200-200-2-200-200-784, silu |
| trained with | {num_samples} samples of the prior a step | the ELBO, one sample an image |
{rows}

They are teaching material, not intended for other uses: two latents are few for MNIST. MNIST was
created by Y. LeCun, C. Cortes and C. Burges.
"""


def prior_loss(model, images, key):
    x_key, z_key = jax.random.split(key)
    x = vc.binarize(images, x_key)
    return -vc.prior_log_likelihood(model, x, z_key, num_samples=NUM_SAMPLES).mean()


def train(name: str, images) -> None:
    build, loss = {"generator": (vc.Decoder, prior_loss), "vae": (vc.VAE, vae_loss)}[name]
    weights_key, key = jax.random.split(jax.random.key(SEED))
    model = build(*trained.SIZES, mean_image=images.mean(axis=0), rngs=weights_key)
    setting = dict(SETTINGS[name])
    tx = adam(setting.pop("peak"), len(images), setting["batch_size"], setting["num_epochs"])
    folder = trained.FOLDER.parents[1] / "experiments" / "unfinished" / name
    vc.fit(model, loss, images, key=key, tx=tx, folder=folder, **setting)
    nnx.update(model, jax.tree.map(lambda a: a.astype(jnp.float16), nnx.state(model)))
    vc.save(trained.FOLDER / name, model)
    shutil.rmtree(folder)  # other settings are another training


def mean_and_error(values) -> str:
    values = np.asarray(values, dtype=float)
    return f"{values.mean():.2f} ± {values.std(ddof=1) / len(values) ** 0.5:.2f}"


def main() -> None:
    data = vc.load("mnist")
    if data.is_stand_in:
        raise SystemExit("These models are of real MNIST, which could not be loaded.")
    for name in SETTINGS:
        train(name, data.train_images)
    generator, vae = trained.generator(), trained.vae()
    x = vc.binarize(data.test_images, jax.random.key(0))
    bound = vc.elbo(vae, vae.encode(x), x, jax.random.key(1), num_samples=100)
    log_p = [mean_and_error(vc.grid_log_likelihood(model, x)) for model in (generator, vae)]
    columns = {
        "passes, batch, peak rate": [
            f"{s['num_epochs']}, {s['batch_size']}, {s['peak']}" for s in SETTINGS.values()
        ],
        "log p(x)": log_p,
        "ELBO of its encoder, 100 samples": ["–", mean_and_error(bound)],
        "parameters": [f"{size(generator):,}", f"{size(vae):,}"],
        "file": [f"{(trained.FOLDER / f'{n}.npz').stat().st_size / 1e3:.0f} kB" for n in SETTINGS],
    }
    rows = "\n".join(f"| {name} | {' | '.join(values)} |" for name, values in columns.items())
    date = datetime.date.today().isoformat()
    text = TEXT.format(date=date, seed=SEED, num_samples=NUM_SAMPLES, rows=rows)
    (trained.FOLDER / "README.md").write_text(text, encoding="utf-8")
    print(text)


def size(model) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model)))


if __name__ == "__main__":
    main()
