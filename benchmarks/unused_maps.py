"""Export a Res2Fusion without the maps that are 0 on all training pairs, and measure it.

    python benchmarks/unused_maps.py GRAPH.onnx -o FILE.onnx [--data FOLDER] [--test FOLDER]

FOLDER has the Harvard pairs; GRAPH has its model card beside it. Prints how far the two graphs are
apart in grey levels of 255, on the training pairs, on the test pairs and on noise, which no head
is like, and the ratio of processor times, the two graphs alternating.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from fast_graph import HARVARD, deviation, sources_of, speed_up
from radfuse.io.image_pairs import ImagePair, named_patient, read_image_pairs
from radfuse.methods.onnx import OnnxMethod
from radfuse.networks.res2fusion import READERS, WIDTHS
from radfuse.networks.torch_method import load_network
from radfuse.record import digest
from radfuse.training.export.again import model_card_of, origin
from radfuse.training.export.model_card import write_weights
from radfuse.training.export.narrow import without_unused_maps


def make(full: Path, path: Path, data: Path) -> None:
    """Leave out the unused maps; write the graph and its model card."""
    model_card = model_card_of(full)
    trained = [
        pair for pair in read_image_pairs(data)
        if named_patient(pair.patient, "harvard") in model_card["patients_trained"]
    ]  # fmt: skip
    narrowed = without_unused_maps(load_network(full), READERS, *sources_of(trained))
    layers = dict(narrowed.named_modules())
    widths = [layers[name].out_channels for name in READERS]
    made_from = {"sha256": digest([full]), "widths": list(WIDTHS)}
    write_weights(
        narrowed,
        path,
        name=model_card["network"],
        options={**model_card["options"], "widths": widths},
        facts={**origin(model_card), "without_unused_maps_of": made_from},
    )
    print("maps", widths)


def noise() -> list[ImagePair]:
    """Pairs of white noise, of smooth noise, and of black and white pixels."""
    rng = np.random.default_rng(1)
    even = [rng.integers(0, 256, (2, 256, 256)) for _ in range(4)]
    smooth = [np.repeat(np.repeat(one[:, ::8, ::8], 8, axis=1), 8, axis=2) for one in even]
    extreme = [255 * (one > 127) for one in even]
    return [
        ImagePair(f"noise_{index}", "none", *one.astype(np.uint8))
        for index, one in enumerate([*even, *smooth, *extreme])
    ]


def main() -> None:
    """Parse, make, measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("graph", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=HARVARD / "train")
    parser.add_argument("--test", type=Path, default=HARVARD / "test")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    make(arguments.graph, arguments.output, arguments.data)
    full, narrowed = OnnxMethod(arguments.graph), OnnxMethod(arguments.output)
    for name, pairs in (
        ("training", read_image_pairs(arguments.data)),
        ("test", read_image_pairs(arguments.test)),
        ("noise", noise()),
    ):
        print(name, deviation(full, narrowed, pairs))
    print(f"speed-up {speed_up(full, narrowed):.2f}")


if __name__ == "__main__":
    main()
