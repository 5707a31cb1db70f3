"""Train the network of learned_detail: whether a contrast of the CT is to be shown.

    python benchmarks/detail_training.py SAMPLES VALIDATION -o learned_detail.onnx [--steps 3000]

`SAMPLES` and `VALIDATION` are folders of `detail_samples.py`. The loss is 1 minus what is kept of
a finding, with its sign, plus what changes where there is none. Prints the means of both folders;
the weights with the least loss on `VALIDATION` are written. After an interruption the same command
resumes.
"""

import json
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor, nn
from torch.nn import functional

from radfuse.methods.detail.head_contrast import WEIGHT_MM
from radfuse.methods.learned_detail import features
from radfuse.metrics.findings_kept import FULL_CNR, FULL_CONTRAST
from radfuse.networks.detail_gate import DetailGate
from radfuse.record import SHORT_NOTICE, digest

FULL = FULL_CONTRAST / 255
VISIBLE = 2 / 255
BATCH = 6
RATE = 1e-3
SEED = 1
QUIET, SPILL, BETWEEN = 10.0, 6.0, 10.0
"""Weights of what is added without a finding, beside one, and of its change between slices."""

LICENCE = {"licence": "Apache-2.0", "intended_use": SHORT_NOTICE}

Sample = dict[str, Any]


def smoothed(weight: Tensor, spacing_mm: tuple[float, float, float]) -> Tensor:
    """The weights (slices, rows, columns) smoothed as the method does."""
    out = weight[None, None]
    for axis, step in enumerate(spacing_mm):
        radius = max(1, round(3 * WEIGHT_MM / step))
        at = torch.arange(-radius, radius + 1) * step / WEIGHT_MM
        kernel = torch.exp(-0.5 * at**2)
        shape, pad = [1, 1, 1, 1, 1], [0] * 6
        shape[2 + axis] = len(kernel)
        pad[4 - 2 * axis] = pad[5 - 2 * axis] = radius
        kernel = (kernel / kernel.sum()).reshape(shape)
        out = functional.conv3d(functional.pad(out, pad, mode="replicate"), kernel)
    return out[0, 0]


def fused(gate: nn.Module | None, known: dict[str, Tensor], sample: Sample) -> tuple[Tensor, ...]:
    """The fused image of a box and what was added to its base; by thresholds without a network."""
    k = {name: values.float() for name, values in known.items()}
    weight = k["by_thresholds"]
    if gate:
        inputs = features(k["own_hu"].numpy(), weight.numpy(), sample["noise_hu"])
        weight = gate(torch.from_numpy(inputs))
    added = smoothed(weight, sample["spacing_mm"]) * k["missing"]
    return (k["base"] + added).clamp(0, 1), added


def losses(gate: nn.Module | None, sample: Sample) -> dict[str, Tensor]:
    """What a box costs, by its reason."""
    clean, added = fused(gate, sample["without"], sample)
    found = {
        "quiet": QUIET * added.abs().mean(),
        "between": BETWEEN * added.diff(dim=0).abs().mean(),
    }
    if not sample["kind"]:
        return found
    image, _ = fused(gate, sample["with"], sample)
    change, ring = image - clean, sample["ring"]
    contrast = change[sample["lesion"]].mean() - change[ring].mean()
    deviation = (image[ring].var(unbiased=False) + VISIBLE**2).sqrt()
    sign = math.copysign(1.0, sample["contrast"])
    cnr = abs(sample["contrast"]) / sample["noise"]
    of_contrast = sign * contrast / min(abs(sample["contrast"]), FULL)
    of_cnr = sign * contrast / deviation / min(cnr, FULL_CNR)
    kept = torch.minimum(of_contrast, of_cnr)
    lost = (1 - kept).clamp(0, 2)
    return found | {"lost": lost, "spill": SPILL * change[sample["near"]].abs().mean()}


def of_folder(folder: Path) -> Iterator[Sample]:
    """All samples of a folder; infarcts, which the weights do not change, are left out."""
    for path in sorted(folder.glob("*.pt")):
        for sample in torch.load(path, weights_only=False):
            if sample["kind"] != "infarct":
                yield sample


def flipped(sample: Sample) -> Sample:
    """The sample mirrored along axes that are drawn, all its volumes alike."""
    axes = [axis for axis in range(3) if random.random() < 0.5]  # noqa: S311

    def of(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: of(one) for name, one in value.items()}
        return value.flip(axes) if isinstance(value, Tensor) else value

    return {name: of(value) for name, value in sample.items()}


@torch.no_grad()
def report(gate: nn.Module | None, samples: list[Sample], name: str) -> dict[str, float]:
    """Print the means of each cost and return them, with their sum as `loss`."""
    sums: dict[str, list[float]] = {}
    for sample in samples:
        for reason, cost in losses(gate, sample).items():
            sums.setdefault(reason, []).append(float(cost))
    means = {reason: sum(costs) / len(costs) for reason, costs in sums.items()}
    means["loss"] = sum(means.values())
    means["not kept"] = sum(cost > 0.2 for cost in sums["lost"]) / len(sums["lost"])
    click.echo(f"{name}: " + ", ".join(f"{reason} {mean:.4f}" for reason, mean in means.items()))
    return means


def write(gate: DetailGate, path: Path, facts: dict[str, object]) -> None:
    """Write the graph and its model card."""
    gate.export(path)
    model_card = {
        "name": path.stem,
        "network": "detail_gate",
        **facts,
        **LICENCE,
        "sha256": digest([path]),
    }
    path.with_suffix(".json").write_text(json.dumps(model_card, indent=2) + "\n")


@click.command()
@click.argument("samples", type=click.Path(path_type=Path, exists=True))
@click.argument("validation", type=click.Path(path_type=Path, exists=True))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--steps", default=3000, help="Steps of the optimizer.")
@click.option("--every", default=250, help="Steps between two validations.")
def main(samples: Path, validation: Path, output: Path, steps: int, every: int) -> None:
    """Train, and write the best weights as ONNX."""
    torch.manual_seed(SEED)
    random.seed(SEED)
    torch.set_num_threads(1)
    training, judged = list(of_folder(samples)), list(of_folder(validation))
    gate = DetailGate()
    facts: dict[str, object] = {
        "parameters": sum(p.numel() for p in gate.parameters()),
        "heads_trained": sorted({sample["head"] for sample in training}),
        "heads_validated": sorted({sample["head"] for sample in judged}),
        "settings": {"batch": BATCH, "rate": RATE, "quiet": QUIET, "spill": SPILL,
                     "between": BETWEEN, "seed": SEED},
    }  # fmt: skip
    click.echo(f"{len(training)} samples, {facts['parameters']} parameters")
    report(None, judged, "thresholds")
    optimizer = torch.optim.Adam(gate.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, steps)
    state, first, best = output.with_suffix(".state"), 0, math.inf
    if state.exists():
        kept = torch.load(state, weights_only=False)
        gate.load_state_dict(kept["gate"])
        optimizer.load_state_dict(kept["optimizer"])
        schedule.load_state_dict(kept["schedule"])
        first, best = kept["step"], kept["best"]
    for step in range(first, steps):
        for sample in random.sample(training, BATCH):
            torch.autograd.backward(
                torch.stack(list(losses(gate, flipped(sample)).values())).sum() / BATCH
            )
        nn.utils.clip_grad_norm_(gate.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        if (step + 1) % every == 0:
            means = report(gate, judged, f"step {step + 1}")
            if means["loss"] < best:
                best = means["loss"]
                reached = {"step": step + 1, "total": steps}
                write(gate, output, facts | {"reached": reached, "validation": means})
            kept = {"gate": gate.state_dict(), "optimizer": optimizer.state_dict()}
            kept |= {"schedule": schedule.state_dict(), "step": step + 1, "best": best}
            torch.save(kept, state)


if __name__ == "__main__":
    main()
