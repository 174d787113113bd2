"""BENCHMARKS.md and its figure, from what `make bench` measured."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from published import SETTINGS
from tables import is_measured

from vae_course import lesson

HERE = Path(__file__).parent
PAPER = {("VAE", 1): 86.76, ("VAE", 5): 86.47, ("VAE", 50): 86.35}
PAPER |= {("IWAE", 5): 85.54, ("IWAE", 50): 84.78}
GFLOP = 2 * 128 * (2 * 784 * 400 + 3 * (400 * 40 + 20 * 400 + 400 * 784)) / 1e9  # a step

TEXT = """# Benchmarks

Written by `make bench` (never part of `make test`), on the numbers of
`vae_course/lesson/recorded/published.json` and `experiments/speed.json`. Two CPU cores: times and
ratios are theirs, and a GPU's will differ.

## log p(x) of models with one stochastic layer

MNIST, pixels drawn again at every visit of a training image (all 60,000); the 10,000 test images
drawn once (key 0). −log p(x) in nats per image by L_5000, an upper bound on average, ± standard
error over images. Lower is better. {missing}

*Core minutes*: processor time of training, both cores added up; *minutes*: on the clock, some of
them beside other work on the same machine.

{published}

Their rows: [Burda, Grosse, Salakhutdinov 2016](https://arxiv.org/abs/1509.00519), Table 1, trained
for 3,280 passes with the plain gradient; L_5000, no standard error given. "VAE, k samples" averages
k ELBO terms; that we did not repeat. Our rows for k > 1 use the doubly reparameterised gradient of
L_k ([Tucker et al. 2019](https://arxiv.org/abs/1810.04152)); only a few of the k samples, drawn by
their weights, are differentiated (an idea of Burda et al. 2016, section 3).
"Stages" are (k, samples differentiated, passes).

What was tried beforehand: trained on the first 50,000 training images, measured on 1,000 of the
other 10,000 by L_1000 (pixels drawn once, key 0). The last rows above differ from these in the
split of the passes over k, which was not tuned further.

{tried}

## Speed of an epoch

The 784-400-20 VAE, batch 128, grey MNIST, Adam: {date}, PyTorch {torch}, JAX {jax}, {rounds} rounds
in one run, in reverse order every other time. Median seconds per epoch; times as long as `vc.fit`
(median of the rounds' ratios, their range).

{epoch}

- *The example's loop* is that of [PyTorch's VAE example](https://github.com/pytorch/examples/tree/main/vae),
  written afresh: one image at a time goes from bytes through Pillow to floats, and the loss is
  read after each batch. *Tensors in memory* is the same loop on shuffled rows of one tensor;
  *compiled* adds torch.compile and the fused Adam, and reads the loss once an epoch.
- *A step at a time* is the usual JAX loop: one compiled step, each batch sent from the host.

Where the time of `vc.fit` goes: its parts, each alone and as often as in an epoch, in one more run.
The whole takes {whole:.2f} times ({whole_range}) what its parts take together. The products reach
{products:.0f} % of this machine's rate for matrices of 1024 × 1024 ({gflops:.0f} GFLOP/s).

{parts}

## Sampling the prior

log p̂(x) of 128 images with 512 samples and a 20-400-400-784 decoder: {shared:.1f} ms if the images
share their samples (one matrix product compares all with all), {private:.0f} ms if each has
its own: {ratio:.0f} times as long.

![Time grows with the samples, hardly with the latents.](experiments/speed.png)
"""


def published_table() -> tuple[str, str]:
    rows = lesson.recorded("published")["rows"]
    lines = [
        "| network | trained with | stages | seed | −log p(x) | active of 50 "
        "| core minutes | minutes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (bound, k), value in PAPER.items():
        lines.append(
            f"| 784-200-200-50 tanh (paper) | {bound}, k = {k} | 3,280 passes | | {value:.2f} "
            "| | | |"
        )
    tried = ["| stages | learning rate | −log p(x) |", "|---|---|---|"]
    for row in rows:
        stages = ", ".join(f"({', '.join(map(str, stage))})" for stage in row["stages"])
        value = f"{-row['log_p']:.2f} ± {row['standard_error']:.2f}"
        if row["split"] == "validation":
            tried.append(f"| {stages} | {row['learning_rate']} | {value} |")
            continue
        k = row["stages"][-1][0]
        lines.append(
            f"| {network(row)} | {'ELBO' if k == 1 else f'L_k, k = {k} at the end'} | {stages} "
            f"| {row['seed']} | {value} | {row['active_units']} "
            f"| {row['core_seconds'] / 60:.1f} | {row['seconds'] / 60:.1f} |"
        )
    return "\n".join(lines), "\n".join(tried)


def not_measured() -> str:
    """The rows of published.py's settings that its table lacks."""
    rows = lesson.recorded("published")["rows"]
    lacking = [setting for setting in SETTINGS if not is_measured(setting, rows)]
    if not lacking:
        return ""
    return "Not measured yet: " + "; ".join(map(in_words, lacking)) + "."


def in_words(setting: dict) -> str:
    """A row of the table, as one would say it: "784-200-200-50 tanh by L_5, seed 0"."""
    k = setting["stages"][-1][0]
    bound = "the ELBO" if k == 1 else f"L_{k}"
    return f"{network(setting)} by {bound}, seed {setting['seed']}"


def network(setting: dict) -> str:
    return f"784-{'-'.join(map(str, setting['hidden']))}-50 {setting['activation']}"


def epoch_table(epoch: dict) -> str:
    ours = np.array(epoch["vc.fit"])
    lines = ["| loop | seconds | times `vc.fit` |", "|---|---|---|"]
    for name, values in epoch.items():
        ratio = np.array(values) / ours
        lines.append(
            f"| {name} | {np.median(values):.2f} | {np.median(ratio):.2f} "
            f"({ratio.min():.2f} to {ratio.max():.2f}) |"
        )
    return "\n".join(lines)


def parts_table(parts: dict) -> str:
    lines = ["| part | seconds |", "|---|---|"]
    for name, values in parts.items():
        if name != "vc.fit":
            lines.append(f"| {name} | {np.median(values):.2f} |")
    return "\n".join([*lines, f"| `vc.fit` | {np.median(parts['vc.fit']):.2f} |"])


def draw(prior: dict) -> None:
    fig, axes = plt.subplots(1, 3, figsize=(9, 2.8), layout="constrained", sharey=True)
    for ax, what in zip(axes, ("samples", "batch", "latent dimension"), strict=True):
        sizes = [int(size) for size in prior[what]]
        ax.loglog(sizes, list(prior[what].values()), "o-")
        ax.set(xlabel=what)
        ax.grid(alpha=0.3)
    axes[0].set_ylabel("milliseconds")
    fig.suptitle("Prior sampling: time grows with the samples, hardly with the latents")
    fig.savefig(HERE / "speed.png", dpi=120)


def main() -> None:
    speed = json.loads((HERE / "speed.json").read_text())
    published, tried = published_table()
    epoch, prior = speed["epoch"], speed["prior"]
    parts = {name: np.array(values) for name, values in speed["parts"].items()}
    whole = parts["vc.fit"] / sum(values for name, values in parts.items() if name != "vc.fit")
    rate = GFLOP * (speed["images"] // 128) / np.median(parts["matrix products"])
    draw(prior)
    text = TEXT.format(
        published=published,
        missing=not_measured(),
        tried=tried,
        epoch=epoch_table(epoch),
        rounds=len(epoch["vc.fit"]),
        parts=parts_table(parts),
        whole=np.median(whole),
        whole_range=f"{whole.min():.2f} to {whole.max():.2f}",
        products=100 * rate / speed["gflops"],
        gflops=speed["gflops"],
        ratio=prior["private"] / prior["shared"],
        shared=prior["shared"],
        private=prior["private"],
        date=speed["date"],
        **speed["versions"],
    )
    (HERE.parent / "BENCHMARKS.md").write_text(text)


if __name__ == "__main__":
    main()
