"""Speed of OpenVINO compared with PyTorch, same weights, one run on one machine.

    python benchmarks/engine.py [--method res2fusion] [--sizes 256 512]
    python benchmarks/engine.py --all [--sizes 256] [--networks sdnet pmgi]

Prints milliseconds per pair (median), ratios, and the difference of each output from eager
PyTorch in grey levels of 255. The engines run alternately, so that other load affects all of them,
and with them a product of matrices: which share of its speed the network reaches is printed, too.
With a CUDA device the table has it, too. `--all` prints one Markdown table of every network;
networks without shipped weights have random parameters.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import SimpleITK as sitk
import torch

from arithmetic import PRODUCT_OPERATIONS, matrix_product, operations
from comparison import noted
from radfuse.arrays import Float32Array
from radfuse.intensity import WINDOWS
from radfuse.methods.catalogue import METHODS, has_fast_graph
from radfuse.methods.loading import load_method, method_info
from radfuse.networks.catalogue import NETWORKS, make_network
from radfuse.networks.onnx_export import export_onnx
from radfuse.networks.torch_method import load_network
from radfuse.phantom.head import make_phantom

Fuse = Callable[[Float32Array, Float32Array], Float32Array]

ROUNDS = 15
"""Repetitions of each engine by default."""

PRODUCT = "product of matrices"
"""Beside the engines in `milliseconds`."""

SEED = 5
"""Of random parameters."""

HEAD = """| network | parameters | PyTorch ms | f32 ms | ratio | bf16 ms | ratio | bf16 difference |
|---|---|---|---|---|---|---|---|"""
"""Of the table of every network."""


def torch_fuse(network: torch.nn.Module, layout: torch.memory_format) -> Fuse:
    """The network as a method, in a memory layout."""
    placed = network.to(memory_format=layout)  # type: ignore[call-overload]

    @torch.inference_mode()
    def fuse(ct: Float32Array, mr: Float32Array) -> Float32Array:
        fused: Float32Array = placed(torch.from_numpy(ct), torch.from_numpy(mr)).numpy()
        return fused

    return fuse


def engines_of(name: str) -> dict[str, Fuse]:
    """The same weights in every engine."""
    weights = method_info(name).weights
    if weights is None:
        raise SystemExit(f"{name} has no weights; choose a learned method")
    compiled = torch.compile(load_network(weights))
    on_gpu = cuda_engines(weights) if torch.cuda.is_available() else {}
    has_fast = has_fast_graph(method_info(name))
    fast = {"OpenVINO f32, fast graph": load_method(name, {"graph": "fast"})} if has_fast else {}
    return {
        "torch eager": torch_fuse(load_network(weights), torch.contiguous_format),
        "torch channels last": torch_fuse(load_network(weights), torch.channels_last),
        "torch.compile": torch_fuse(compiled, torch.contiguous_format),  # type: ignore[arg-type]
        "OpenVINO f32": load_method(name),
        "OpenVINO bf16": load_method(name, {"precision": "bf16"}),
        **fast,
        **on_gpu,
    }


def cuda_engines(weights: Path) -> dict[str, Fuse]:
    """The same on a CUDA device, copies to it and back included; not run where there is none."""

    def fuse_with(kind: torch.dtype) -> Fuse:
        network = load_network(weights).to("cuda", kind, memory_format=torch.channels_last)  # type: ignore[call-overload]

        @torch.inference_mode()
        def fuse(ct: Float32Array, mr: Float32Array) -> Float32Array:
            images = (torch.from_numpy(one).to("cuda", kind) for one in (ct, mr))
            fused: Float32Array = network(*images).float().cpu().numpy()  # waits for the device
            return fused

        return fuse

    return {"CUDA f32": fuse_with(torch.float32), "CUDA f16": fuse_with(torch.float16)}


def head(size: int) -> tuple[Float32Array, Float32Array]:
    """A slice of the phantom, repeated to the size: the CT, and its negative as an MR."""
    volume = sitk.GetArrayFromImage(make_phantom().ct.image)
    slice_ = WINDOWS["soft-tissue"].scale(volume[len(volume) // 2])
    ct = np.tile(slice_, (4, 4))[None, :size, :size]
    return ct, np.where(ct > 0, 1 - ct, 0).astype(np.float32)


def milliseconds(
    engines: dict[str, Fuse], ct: Float32Array, mr: Float32Array, rounds: int
) -> dict[str, float]:
    """Median time of each engine; the engines run alternately."""
    taken: dict[str, list[float]] = {label: [] for label in engines}
    for _ in range(rounds):
        for label, fuse in engines.items():
            fuse(ct, mr)  # warms the caches
            start = time.perf_counter()
            fuse(ct, mr)
            taken[label].append(1e3 * (time.perf_counter() - start))
    return {label: median(times) for label, times in taken.items()}


def measure(name: str, size: int, rounds: int) -> None:
    """Print one table of one method in every engine."""
    ct, mr = head(size)
    engines = engines_of(name)
    expected = engines["torch eager"](ct, mr)
    times = milliseconds(engines | {PRODUCT: matrix_product()}, ct, mr, rounds)
    print(f"\n{name}, one {size}x{size} pair, {torch.get_num_threads()} threads")
    print(f"{'engine':26}{'ms':>8}{'x eager':>9}{'mean diff':>11}{'max diff':>10}")
    for label, fuse in engines.items():
        apart = np.abs(fuse(ct, mr) - expected) * 255
        ratio = times["torch eager"] / times[label]
        print(f"{label:26}{times[label]:8.1f}{ratio:9.2f}{apart.mean():11.4f}{apart.max():10.3f}")
    print(share_of_machine(method_info(name).weights, ct.shape, times))
    share = times["OpenVINO f32"] / times["torch.compile"]
    print(noted(f"{name}, {size} pixels, OpenVINO to torch.compile", share))


def share_of_machine(weights: Path | None, shape: tuple[int, ...], times: dict[str, float]) -> str:
    """The speed of OpenVINO in float32, compared with a product of matrices on the same threads."""
    work = operations(weights, shape) if weights else 0
    network, product = work / times["OpenVINO f32"], PRODUCT_OPERATIONS / times[PRODUCT]
    return (
        f"OpenVINO f32: {work / 1e9:.1f} G operations at {network / 1e6:.0f} G/s, "
        f"{network / product:.0%} of a product of matrices, {product / 1e6:.0f} G/s"
    )


def measure_all(networks: list[str], size: int, rounds: int) -> None:
    """Print one table of every network, in eager PyTorch and in OpenVINO."""
    print(f"\nOne {size}x{size} pair, {torch.get_num_threads()} threads; * random parameters\n")
    print(HEAD)
    for name in networks:
        with tempfile.TemporaryDirectory() as folder:
            print(row(name, Path(folder), *head(size), rounds), flush=True)


def row(name: str, folder: Path, ct: Float32Array, mr: Float32Array, rounds: int) -> str:
    """A row of that table; graphs are written into the folder."""
    weights = METHODS[name].weights if name in METHODS else None
    network = load_network(weights) if weights else random_network(name)
    graph = weights or folder / f"{name}.onnx"
    if not weights:
        export_onnx(network, graph)
    count = sum(parameter.numel() for parameter in network.parameters())
    engines = {
        "eager": torch_fuse(network, torch.contiguous_format),
        "f32": load_method(str(graph)),
        "bf16": load_method(str(graph), {"precision": "bf16"}),
    }
    apart = 255 * np.abs(engines["bf16"](ct, mr) - engines["eager"](ct, mr)).max()
    ms = milliseconds(engines, ct, mr, rounds)
    cells = [name + ("" if weights else " *"), f"{count:,}", f"{ms['eager']:.0f}"]
    for label in ("f32", "bf16"):
        cells += [f"{ms[label]:.0f}", f"{ms['eager'] / ms[label]:.2f}"]
    return f"| {' | '.join(cells)} | {apart:.2f} |"


def random_network(name: str) -> torch.nn.Module:
    """An untrained network with reproducible parameters."""
    torch.manual_seed(SEED)
    return make_network(name, {}).eval()


def main() -> None:
    """Parse and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", default="res2fusion")
    parser.add_argument("--all", action="store_true", help="one table of every network")
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--sizes", type=int, nargs="+")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    for size in options.sizes or ([256] if options.all else [256, 512]):
        if options.all:
            measure_all(options.networks, size, options.rounds)
        else:
            measure(options.method, size, options.rounds)


if __name__ == "__main__":
    main()
