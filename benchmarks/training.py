"""Cost of a training step relative to forward and backward of the network alone.

    python benchmarks/training.py [--steps 12] [--rounds 3] [--device cpu]

Both run alternately, so that other load slows both. The bare step has a prepared batch, the
network, the loss of the objective and backward. A training step adds drawing crops, the gradient
norm, Adam, the moving average of parameters and the values for the log.
"""

import statistics
import time
from collections.abc import Callable

import click
import numpy as np
import torch

from radfuse.settings import checked_settings
from radfuse.training.dataset import TrainingPairs, draw_crops
from radfuse.training.distributed import SINGLE_PROCESS
from radfuse.training.objectives import OBJECTIVES, forward_of
from radfuse.training.settings import Augmentation, Phase, Schedule, TrainingSettings
from radfuse.training.state import initial_state
from radfuse.training.step import PhaseTrainer

IMAGES, SIDE = 32, 256
"""Pairs to draw from, and their rows and columns."""

BAR = 1.15
"""Largest allowed cost of a training step, in bare steps."""

SCHEDULE = Schedule(learning_rate=1e-4)

TRAININGS = {
    "mfinet": Phase(
        objective="mfinet_metrics", schedule=SCHEDULE, steps=10**6, batch=1, crop=128,
        ema_decay=0.99, clip=1.0, outlier=10, augmentation=Augmentation(min_tissue=0.5),
    ),
    "res2fusion": Phase(
        objective="autoencoder", schedule=SCHEDULE, steps=10**6, batch=8, crop=64, bfloat16=True
    ),
}  # fmt: skip
"""As the configurations of the repository have them."""


def steps_of(network: str, device: str) -> tuple[Callable[[], object], Callable[[], object]]:
    """A bare step and a step of training."""
    phase = TRAININGS[network]
    images = np.random.default_rng(0).integers(0, 256, (IMAGES, 2, SIDE, SIDE), np.uint8)
    pairs = TrainingPairs(images, images[:0], (), ())
    state = initial_state(TrainingSettings(network=network, phases=(phase,)), pairs, device)
    trainer = PhaseTrainer(state, phase, images, SINGLE_PROCESS, seed=1)
    objective = OBJECTIVES[phase.objective]
    weights = checked_settings(phase.weights, objective.weights, "weights")
    forward = forward_of(objective, state.network)
    batch = draw_crops(trainer.images, phase, np.random.default_rng(0)).to(device)
    batch = batch.contiguous(memory_format=torch.channels_last)

    def bare() -> None:
        state.network.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=phase.bfloat16):
            output = forward(batch)
        objective.loss(output.float(), batch, weights)[0].backward()  # type: ignore[no-untyped-call]

    return bare, trainer.step


def seconds(step: Callable[[], object], steps: int, device: str) -> float:
    """Shortest time of some steps, one by one."""
    times = []
    for _ in range(steps):
        started_s = time.perf_counter()
        step()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started_s)
    return min(times)


@click.command()
@click.option("--steps", default=12, show_default=True, help="In a round.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
def main(steps: int, rounds: int, device: str) -> None:
    """Print a line a network."""
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {device}")
    for network in TRAININGS:
        bare, trained = steps_of(network, device)
        pairs = [
            (seconds(bare, steps, device), seconds(trained, steps, device)) for _ in range(rounds)
        ]
        bare_s, trained_s = (statistics.median(times) for times in zip(*pairs, strict=True))
        ratio = statistics.median(train / alone for alone, train in pairs)
        verdict = "met" if ratio <= BAR else "missed"
        print(
            f"{network:12} bare {1000 * bare_s:7.1f} ms  step {1000 * trained_s:7.1f} ms  "
            f"ratio {ratio:.3f}  (bar {BAR}: {verdict})"
        )


if __name__ == "__main__":
    main()
