"""Make the fast graph of a network, and measure how far and how fast it is.

    python benchmarks/fast_graph.py res2fusion -o FILE.onnx [--data FOLDER] [--test FOLDER]
    python benchmarks/fast_graph.py res2fusion --measure FILE.onnx [--findings]

FOLDER has the Harvard pairs. The network is narrowed by least squares on pairs of the patients
that it was trained on (`radfuse.training.export.narrow`); those of the patient of its validation
were for choosing the widths, and the test pairs are measured once. Prints the deviations from the
full graph in grey levels of 255 and the ratio of processor times, the two graphs alternating. With
`--findings` the experiment of `benchmarks/hidden_findings.py` is made with the fast graph, and
kinds of findings that are not kept as often as by the full one are printed.
"""

import argparse
import json
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from hidden_findings import counts_of, experiment_of
from radfuse.arrays import Float32Array
from radfuse.benchmark.experiments.findings_run import run_findings
from radfuse.io.image_pairs import ImagePair, named_patient, read_image_pairs
from radfuse.methods.hidden_findings import measured_table
from radfuse.methods.loading import method_info
from radfuse.methods.onnx import OnnxMethod
from radfuse.networks.res2fusion import READERS
from radfuse.networks.torch_method import load_network
from radfuse.record import digest
from radfuse.training.export.model_card import write_weights
from radfuse.training.export.narrow import narrow

HARVARD = Path(__file__).parents[2] / "shared" / "data" / "harvard"
"""The pairs, next to the checkout."""

NARROW_WIDTHS = {"res2fusion": (32, 32, 56, 40, 24, 16)}
"""Widths of the narrowed networks; those of the full graph are in its model card."""

EVERY = 20
"""Of the training pairs, every how many-th is fitted to."""

RARE_PAIRS = ("2005", "2006", "32003", "32009", "34009", "37006")
"""Training pairs that are fitted to, too: a network fitted to others had pixels above 8 there."""

DEVIATIONS = ("mean", "99.9 %", "largest")
"""What is measured of the deviation of pixels."""

ROUNDS = 15
"""Repetitions of each graph."""


def sources_of(pairs: list[ImagePair]) -> tuple[Float32Array, Float32Array]:
    """CT and MR of pairs, (N, H, W) in [0, 1]."""
    levels = (np.stack([getattr(pair, name) for pair in pairs]) for name in ("ct", "mr"))
    ct, mr = (np.divide(one, 255, dtype=np.float32) for one in levels)
    return ct, mr


def deviation(exact: OnnxMethod, fast: OnnxMethod, pairs: list[ImagePair]) -> dict[str, float]:
    """Mean, 99.9 % and largest difference of pixels, in grey levels of 255."""
    sources = sources_of(pairs)
    apart = np.abs(exact(*sources) - fast(*sources)) * 255
    shown = (apart.mean(), np.quantile(apart, 0.999), apart.max())
    return {name: round(float(x), 4) for name, x in zip(DEVIATIONS, shown, strict=True)}


def speed_up(exact: OnnxMethod, fast: OnnxMethod) -> float:
    """Median ratio of processor times of one pair of 256x256."""
    image = np.random.default_rng(0).random((1, 256, 256), np.float32)
    ratios = []
    for _ in range(ROUNDS + 1):
        took = []
        for method in (exact, fast):
            started = time.process_time()
            method(image, image)
            took.append(time.process_time() - started)
        ratios.append(took[0] / took[1])
    return median(ratios[1:])  # the first has compiled


def full_graph(name: str) -> Path:
    """The shipped graph of a network."""
    weights = method_info(name).weights
    if weights is None:
        raise SystemExit(f"{name} has no network; choose a learned method")
    return weights


def make(name: str, path: Path, data: Path) -> None:
    """Narrow a network, and write its graph and model card."""
    full = full_graph(name)
    model_card = json.loads(full.with_suffix(".json").read_text())
    trained = [
        pair for pair in read_image_pairs(data)
        if named_patient(pair.patient, "harvard") in model_card["patients_trained"]
    ]  # fmt: skip
    fitted = trained[::EVERY]
    fitted += [
        pair
        for pair in trained
        if pair.name in RARE_PAIRS and pair.name not in {x.name for x in fitted}
    ]
    maps = dict(zip(READERS, NARROW_WIDTHS[name], strict=True))
    narrowed = narrow(load_network(full), READERS, maps, *sources_of(fitted))
    facts: dict[str, Any] = {
        "narrowed_from": {
            "name": full.stem,
            "sha256": digest([full]),
            "widths": model_card["options"]["widths"],
        },
        "fitted_to_pairs": [pair.name for pair in fitted],
        **{
            key: model_card[key]
            for key in ("data", "patients_trained", "patients_validated", "licence")
        },
    }
    options = {**model_card["options"], "widths": list(NARROW_WIDTHS[name])}
    write_weights(narrowed, path, name=model_card["network"], options=options, facts=facts)


def changed_findings(name: str, fast: Path) -> dict[str, Any]:
    """Kinds of findings whose counts differ: those of the full graph and of the fast one."""
    with TemporaryDirectory() as folder:
        experiment = experiment_of(Path(folder) / "findings", [str(fast)])
        outcome = run_findings(experiment, overwrite=False, report=lambda *_: None)
    if len(outcome.failures):
        raise SystemExit(outcome.failures.to_string())
    before, now = measured_table()["methods"][name]["kinds"], counts_of(outcome.findings.rows)
    return {kind: (before[kind], now[kind]) for kind in before if before[kind] != now[kind]}


def main() -> None:
    """Parse, make, measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("name", choices=list(NARROW_WIDTHS))
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--measure", type=Path)
    parser.add_argument("--findings", action="store_true")
    parser.add_argument("--data", type=Path, default=HARVARD / "train")
    parser.add_argument("--test", type=Path, default=HARVARD / "test")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.output:
        make(arguments.name, arguments.output, arguments.data)
    exact = OnnxMethod(full_graph(arguments.name))
    fast = OnnxMethod(arguments.output or arguments.measure)
    validated = json.loads(exact.path.with_suffix(".json").read_text())["patients_validated"]
    chosen = [
        pair for pair in read_image_pairs(arguments.data)
        if named_patient(pair.patient, "harvard") in validated
    ]  # fmt: skip
    print("validation", deviation(exact, fast, chosen))
    print("all training pairs", deviation(exact, fast, read_image_pairs(arguments.data)))
    print("test", deviation(exact, fast, read_image_pairs(arguments.test)))
    print(f"speed-up {speed_up(exact, fast):.2f}")
    if arguments.findings:
        print("changed findings", changed_findings(arguments.name, fast.path) or "none")


if __name__ == "__main__":
    main()
