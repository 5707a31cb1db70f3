"""Helpers of the training tests: small pairs, short settings, readers of a run's files."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors import safe_open

from radfuse.arrays import UInt8Array
from radfuse.networks.fusiongan import PATCH
from radfuse.training.dataset import TrainingPairs
from radfuse.training.log import LOG
from radfuse.training.loop import ProgressReport, StepProgress, train
from radfuse.training.objectives import OBJECTIVES
from radfuse.training.settings import Augmentation, Phase, Schedule, TrainingSettings
from radfuse.training.state import State, initial_state

SIDE = 44
"""Side of the images in pixels, a little more than VIF needs."""

TIMES = {"time", "step_s"}
"""Columns of the log that differ from run to run."""

AUTOENCODER = Phase(
    objective="autoencoder", schedule=Schedule(learning_rate=1e-3), steps=4, batch=2, crop=12,
    rounding_noise=0.004, bfloat16=True, validate_every=2,
)  # fmt: skip

PLAIN = dataclasses.replace(AUTOENCODER, bfloat16=False, rounding_noise=0.0)

FUSION = Phase(
    objective="mfinet_metrics", schedule=Schedule(learning_rate=1e-3, warmup_steps=2), steps=4,
    batch=2, crop=42, ema_decay=0.9, clip=1.0, outlier=10, validate_every=2,
    augmentation=Augmentation(min_tissue=0.1, gain=0.1, gamma=0.1),
)  # fmt: skip

REBUILDING = TrainingSettings(network="densefuse", phases=(AUTOENCODER,))
FUSING = TrainingSettings(network="densefuse", phases=(FUSION,), network_options={"rule": "l1"})
MFINET = TrainingSettings(
    network="mfinet", phases=(FUSION,),
    network_options={"width": 4, "heads": 1, "hidden": 2, "reconstructor_width": 2},
)  # fmt: skip


ADVERSARIAL = TrainingSettings(
    network="pmgi",
    phases=(dataclasses.replace(FUSION, objective="fusiongan", crop=PATCH),),
    network_options={"infrared": "ct"},
)
"""FusionGAN's training of a smaller network."""

NETWORK_OF = {
    "autoencoder": "densefuse", "mfinet_paper": "mfinet", "mfinet_metrics": "mfinet",
    "fusiongan": "pmgi", "csf_classifier": "csf", "dfenet": "densefuse",
}  # fmt: skip
"""Networks that tests train by an objective, where it has not the name of its own."""


def settings_of(objective: str, **changes: Any) -> TrainingSettings:
    """A short training by an objective."""
    name = NETWORK_OF.get(objective, objective)
    base = MFINET if name == "mfinet" else TrainingSettings(network=name, phases=(FUSION,))
    phase = dataclasses.replace(
        FUSION if objective == "mfinet_metrics" else PLAIN, objective=objective
    )
    phase = dataclasses.replace(phase, crop=max(phase.crop, OBJECTIVES[objective].min_side))
    if adversarial := OBJECTIVES[objective].adversarial:
        phase = dataclasses.replace(phase, crop=adversarial.crop)
    return dataclasses.replace(base, phases=(dataclasses.replace(phase, **changes),))


def pairs_of(objective: str) -> TrainingPairs:
    adversarial = OBJECTIVES[objective].adversarial
    return some_pairs(side=adversarial.crop) if adversarial else PAIRS


def with_phase(settings: TrainingSettings, **changes: Any) -> TrainingSettings:
    """Settings with changes in their only phase."""
    return dataclasses.replace(
        settings, phases=(dataclasses.replace(settings.phases[0], **changes),)
    )


def smooth_images(count: int, seed: int = 0, side: int = SIDE) -> UInt8Array:
    """Images (N, 2, H, W) of waves, black in a corner."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    waves = [
        127 + 60 * np.sin(rows / a + b) + 60 * np.cos(columns / c)
        for a, b, c in rng.uniform(2, 6, (2 * count, 3))
    ]
    images = np.array(waves).astype(np.uint8).reshape(count, 2, side, side)
    images[..., :5, :5] = 0
    return images


def some_pairs(validation: int = 1, seed: int = 0, side: int = SIDE) -> TrainingPairs:
    aside = ("16",) if validation else ()
    training, aside_images = (
        smooth_images(count, seed + index, side) for index, count in enumerate((3, validation))
    )
    return TrainingPairs(training, aside_images, ("2", "20"), aside)


def write_pairs(folder: Path, names: list[str], side: int = SIDE) -> Path:
    """A folder with CT/ and MRI/ of such images."""
    images = smooth_images(len(names), side=side)
    for index, kind in enumerate(("CT", "MRI")):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for name, pair in zip(names, images, strict=True):
            Image.fromarray(pair[index]).save(folder / kind / f"{name}.png")
    return folder


def silent(progress: StepProgress) -> None:
    """Report nothing."""


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """The log of a run without `TIMES`."""
    rows = [json.loads(line) for line in (folder / LOG).read_text().splitlines()]
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows]


def content_of(checkpoint: Path) -> dict[str, object]:
    """Metadata and tensors as bytes; the format does not keep the order of metadata."""
    with safe_open(checkpoint, "pt") as opened:
        metadata = opened.metadata()
        tensors = {name: opened.get_tensor(name).numpy().tobytes() for name in opened.keys()}  # noqa: SIM118
    return metadata | tensors


PAIRS = some_pairs()

PATCHES = some_pairs(side=PATCH)
"""Large enough for a discriminator."""


class Stopped(Exception):  # noqa: N818
    """Raised to stop a training."""


def stop_at(total: int) -> ProgressReport:
    seen = 0

    def report(progress: StepProgress) -> None:
        nonlocal seen
        seen += 1
        if seen == total:
            raise Stopped

    return report


def run(
    settings: TrainingSettings,
    folder: Path,
    report: ProgressReport = silent,
    pairs: TrainingPairs = PAIRS,
    **options: float,
) -> State:
    return train(initial_state(settings, pairs), pairs, settings, folder, report, **options)
