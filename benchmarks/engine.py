"""Speed of the engine against PyTorch with the same weights, in one run on one machine.

    python benchmarks/engine.py [--method res2fusion] [--sizes 256 512]

Prints milliseconds a pair (median) and ratios, and how far each output lies from eager
PyTorch in grey levels of 255. The contestants take turns, so that a busy moment hits them all.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray

from radfuse.data.phantom import make_phantom
from radfuse.intensity import WINDOWS
from radfuse.methods.catalogue import entry_of, load_method
from radfuse.networks.torch_method import load_network

Floats = NDArray[np.float32]
Fuse = Callable[[Floats, Floats], Floats]

ROUNDS = 15
"""Turns of every contestant."""


def torch_fuse(network: torch.nn.Module, layout: torch.memory_format) -> Fuse:
    """The network as a method; channels last where asked for."""
    placed = network.to(memory_format=layout)  # type: ignore[call-overload]

    @torch.inference_mode()
    def fuse(ct: Floats, mr: Floats) -> Floats:
        fused: Floats = placed(torch.from_numpy(ct), torch.from_numpy(mr)).numpy()
        return fused

    return fuse


def contestants(name: str) -> dict[str, Fuse]:
    """The same weights in every engine."""
    weights = entry_of(name).weights
    if weights is None:
        raise SystemExit(f"{name} has no weights; choose a learned method")
    compiled = torch.compile(load_network(weights))
    return {
        "torch eager": torch_fuse(load_network(weights), torch.contiguous_format),
        "torch channels last": torch_fuse(load_network(weights), torch.channels_last),
        "torch.compile": torch_fuse(compiled, torch.contiguous_format),  # type: ignore[arg-type]
        "OpenVINO f32": load_method(name, precision="f32"),
        "OpenVINO bf16": load_method(name, precision="bf16"),
    }


def head(size: int) -> tuple[Floats, Floats]:
    """A slice of the phantom, repeated to the size: the CT, and its negative as an MR."""
    volume = sitk.GetArrayFromImage(make_phantom().ct.image)
    slice_ = WINDOWS["soft-tissue"].scale(volume[len(volume) // 2])
    ct = np.tile(slice_, (4, 4))[None, :size, :size]
    return ct, np.where(ct > 0, 1 - ct, 0).astype(np.float32)


def measure(name: str, size: int) -> None:
    """Print one table."""
    ct, mr = head(size)
    engines = contestants(name)
    outputs = {label: fuse(ct, mr) for label, fuse in engines.items()}
    seconds: dict[str, list[float]] = {label: [] for label in engines}
    for _ in range(ROUNDS):
        for label, fuse in engines.items():
            fuse(ct, mr)  # warms caches after the one before
            start = time.perf_counter()
            fuse(ct, mr)
            seconds[label].append(time.perf_counter() - start)
    eager = median(seconds["torch eager"])
    print(f"\n{name}, one {size}x{size} pair, {torch.get_num_threads()} threads")
    print(f"{'engine':22}{'ms':>8}{'x eager':>9}{'mean diff':>11}{'max diff':>10}")
    for label, times in seconds.items():
        apart = np.abs(outputs[label] - outputs["torch eager"]) * 255
        ratio = eager / median(times)
        print(
            f"{label:22}{median(times) * 1e3:8.1f}{ratio:9.2f}{apart.mean():11.4f}"
            f"{apart.max():10.3f}"
        )


def main() -> None:
    """Parse and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", default="res2fusion")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512])
    options = parser.parse_args()
    for size in options.sizes:
        measure(options.method, size)


if __name__ == "__main__":
    main()
