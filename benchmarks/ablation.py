"""MFINet without one of its parts, each trained from scratch on the same short schedule.

    python benchmarks/ablation.py [-o runs/ablation] [--seed 1 --seed 2]

Prints a Markdown table: means over the 24 Harvard test pairs, 8-bit images, profile `mfinet2024`.
After an interruption the same command resumes.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from torch import nn

from radfuse.io.image_pairs import read_image_pairs
from radfuse.training.dataset import read_training_pairs
from radfuse.training.loop import train
from radfuse.training.settings import TrainingSettings, read_training_settings
from radfuse.training.state import initial_state
from radfuse.training.validation import mean_metrics

ROOT = Path(__file__).parents[1]
SETTINGS = ROOT / "configs" / "mfinet-ablation.toml"
DATA = ROOT.parent / "shared" / "data" / "harvard"

ROWS: dict[str, dict[str, Any]] = {
    "complete": {},
    "without the gates of GNBs": {"gated": False},
    "without CBAM": {"enhanced": False},
    "without interaction": {"interacting": False},
    "one branch, of 3 GNBs": {"branches": (3,)},
}
"""Options of the network, by the name of its row."""


def trained(settings: TrainingSettings, folder: Path) -> nn.Module:
    """The network at the end of its schedule; prints a line per validation."""
    pairs = read_training_pairs(
        DATA / "train", settings.validation_patients, settings.export.data_set
    )
    state = initial_state(settings, pairs)
    train(state, pairs, settings, folder, lambda done: print(done.row) if done.row else None)
    return state.average


@click.command()
@click.option("-o", "--output", type=Path, default=ROOT / "runs" / "ablation", show_default=True)
@click.option("--seed", "seeds", multiple=True, type=int, default=[1], show_default=True)
def main(output: Path, seeds: tuple[int, ...]) -> None:
    """Train every row with every seed, then print the table."""
    settings, pairs = read_training_settings(SETTINGS), read_image_pairs(DATA / "test")
    lines: list[str] = []
    for name, options in ROWS.items():
        for seed in seeds:
            row = replace(settings, network_options=options, seed=seed)
            network = trained(row, output / f"{name}-{seed}")
            found = mean_metrics(network, pairs, settings.profile)
            if not lines:
                lines = [f"| MFINet | seed | parameters | {' | '.join(found)} |"]
                lines.append("|---|---|---|" + "---|" * len(found))
            count = sum(tensor.numel() for tensor in network.parameters())
            values = " | ".join(f"{value:.4g}" for value in found.values())
            lines.append(f"| {name} | {seed} | {count:,} | {values} |")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
