"""Narrow a network: without maps that are 0, or with fewer and the layers that read them fitted.

The fit is channel pruning by least squares, after He et al. 2017, "Channel pruning for accelerating
very deep neural networks", arXiv:1707.06168: which maps remain is chosen by elimination instead of
the LASSO, and the fit is repeated with more weight on pixels that it missed.
"""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from radfuse.arrays import Float32Array, Float64Array
from radfuse.errors import InputError

RIDGE = 1e-5
"""Of the mean square of what a layer reads: it keeps fitted weights near the present ones."""

MAX_WEIGHT = 300.0
"""Largest weight of a pixel that the first fit missed; others have about 1."""

NEGLIGIBLE = 1e-9
"""Added to moments before they are inverted: maps may be multiples of one another."""

TOGETHER = 8
"""Maps that processors compute together: 49 take as long as 56."""


def without_unused_maps(
    network: nn.Module, readers: Mapping[str, str], ct: Float32Array, mr: Float32Array
) -> nn.Module:
    """A copy of a network without maps of some convolutions that are 0 in all images (N, H, W).

    These it fuses as before. `readers` as in `narrow`. As many of the unused maps remain as make a
    multiple of `TOGETHER`. Raises `InputError` for layers that are no convolutions.
    """
    narrowed = copy.deepcopy(network)
    of_readers = _largest(network, readers.values(), ct, mr)
    for name, reader_name in readers.items():
        layer, reader = (_convolution(narrowed, one) for one in (name, reader_name))
        largest = of_readers[reader_name]
        used = int((largest > 0).sum())
        first = largest.argsort(descending=True, stable=True)[: -(-used // TOGETHER) * TOGETHER]
        kept = sorted(first.tolist())
        _keep(kept, layer, reader, reader.weight[:, kept], _biases(reader))
    return narrowed


@torch.no_grad()
def _largest(
    network: nn.Module, readers: Iterable[str], ct: Float32Array, mr: Float32Array
) -> dict[str, Tensor]:
    """Of every map that these layers read, the largest magnitude in all images."""
    found: dict[str, list[Tensor]] = {name: [] for name in readers}

    def hook_of(name: str) -> RemovableHandle:
        def note(_: nn.Module, inputs: tuple[Tensor]) -> None:
            found[name].append(inputs[0].abs().amax(dim=(0, 2, 3)))

        return network.get_submodule(name).register_forward_pre_hook(note)

    hooks = [hook_of(name) for name in found]
    for x, y in zip(np.split(ct, len(ct)), np.split(mr, len(mr)), strict=True):
        network(torch.from_numpy(x), torch.from_numpy(y))
    for hook in hooks:
        hook.remove()
    return {name: torch.stack(maxima).amax(dim=0) for name, maxima in found.items()}


def narrow(
    network: nn.Module,
    readers: Mapping[str, str],
    maps: Mapping[str, int],
    ct: Float32Array,
    mr: Float32Array,
) -> nn.Module:
    """A copy of a network with fewer maps of some convolutions, that deviates little.

    `readers` names the only convolution that reads each layer's maps, in the order of computation,
    `maps` how many remain; images (N, H, W) in [0, 1] are what is to change little. Raises
    `InputError` for more maps than a layer has, and for layers that are no convolutions.
    """
    narrowed = copy.deepcopy(network)
    for name, reader_name in readers.items():
        layer, reader = (_convolution(narrowed, one) for one in (name, reader_name))
        wanted = maps.get(name, layer.out_channels)
        if not 1 <= wanted <= layer.out_channels:
            raise InputError(f"{name} has {layer.out_channels} maps; {wanted} cannot remain")
        if wanted < layer.out_channels:
            samples = [
                _sample(narrowed, network, reader_name, torch.from_numpy(x), torch.from_numpy(y))
                for x, y in zip(np.split(ct, len(ct)), np.split(mr, len(mr)), strict=True)
            ]
            _narrow_layer(layer, reader, wanted, samples)
    return narrowed


def _convolution(network: nn.Module, name: str) -> nn.Conv2d:
    layer = network.get_submodule(name)
    if not isinstance(layer, nn.Conv2d) or layer.bias is None:
        raise InputError(f"{name} is no convolution with biases; only these are narrowed")
    return layer


@dataclass(frozen=True)
class _Sample:
    """What a layer reads in the narrowed network, and what it computes in the network before."""

    read: Tensor
    """(N, C, H, W)."""

    computed: Tensor
    """(pixels, outputs)."""

    def patches(self, kept: list[int], size: int) -> Tensor:
        """Values under the kernel at each pixel, and 1 for the bias: (pixels, maps size^2 + 1)."""
        columns = functional.unfold(self.read[:, kept], size, padding=size // 2)
        rows = columns.transpose(1, 2).flatten(0, 1)
        return torch.cat([rows, torch.ones(len(rows), 1)], dim=1)


@torch.no_grad()
def _sample(
    narrowed: nn.Module, network: nn.Module, reader: str, ct: Tensor, mr: Tensor
) -> _Sample:
    caught: list[tuple[Tensor, Tensor]] = []
    for one in (narrowed, network):
        layer = one.get_submodule(reader)
        hook = layer.register_forward_hook(lambda _, inputs, out: caught.append((*inputs, out)))
        one(ct, mr)
        hook.remove()
    (read, _), (_, computed) = caught
    return _Sample(read, computed.flatten(2).transpose(1, 2).flatten(0, 1))


@torch.no_grad()
def _narrow_layer(layer: nn.Conv2d, reader: nn.Conv2d, wanted: int, samples: list[_Sample]) -> None:
    """Remove maps of a layer, and fit the one that reads them."""
    kept = _kept_maps(reader, wanted, samples)
    fitted = _fitted(reader, kept, samples)  # (wanted size^2 + 1, outputs)
    shape = (reader.out_channels, wanted, *reader.kernel_size)
    _keep(kept, layer, reader, fitted[:-1].T.reshape(shape), fitted[-1])


@torch.no_grad()
def _keep(
    kept: list[int], layer: nn.Conv2d, reader: nn.Conv2d, weights: Tensor, biases: Tensor
) -> None:
    """Leave some maps of a layer, which its reader reads with these weights."""
    layer.weight = nn.Parameter(layer.weight[kept].clone())
    layer.bias = nn.Parameter(_biases(layer)[kept].clone())
    reader.weight = nn.Parameter(weights.clone(memory_format=torch.contiguous_format))
    reader.bias = nn.Parameter(biases.clone())
    layer.out_channels = reader.in_channels = len(kept)


def _biases(layer: nn.Conv2d) -> Tensor:
    return torch.zeros(layer.out_channels) if layer.bias is None else layer.bias


def _kept_maps(reader: nn.Conv2d, wanted: int, samples: list[_Sample]) -> list[int]:
    """The maps from which the others are predicted best, as it matters to their reader.

    One after the other is eliminated, the one whose loss costs the least.
    """
    weights = reader.weight.double()
    matters = torch.einsum("oakl,obkl->ab", weights, weights).numpy()
    moments = np.mean([_moments(one.read) for one in samples], axis=0)
    used = moments.diagonal()[:-1] > 0
    remain = [int(one) for one in np.flatnonzero(used)]
    while len(remain) > wanted:
        costs = [_cost(moments, matters, [x for x in remain if x != one]) for one in remain]
        del remain[int(np.argmin(costs))]
    unused = [int(one) for one in np.flatnonzero(~used)]
    return sorted([*remain, *unused[: wanted - len(remain)]])


def _moments(maps: Tensor) -> Float64Array:
    """Mean products of maps (N, C, H, W), and of a constant after them: (C + 1, C + 1)."""
    rows = maps.transpose(0, 1).flatten(1).double()
    rows = torch.cat([rows, torch.ones(1, rows.shape[1])])
    products: Float64Array = (rows @ rows.T / rows.shape[1]).numpy()
    return products


def _cost(moments: Float64Array, matters: Float64Array, remain: list[int]) -> float:
    """Mean square, in the reader's output, of what the remaining maps do not predict."""
    lost = [one for one in range(len(matters)) if one not in remain]
    known = [*remain, len(matters)]
    shared = moments[np.ix_(known, lost)]
    inverted = moments[np.ix_(known, known)] + NEGLIGIBLE * np.eye(len(known))
    unknown = moments[np.ix_(lost, lost)] - shared.T @ np.linalg.solve(inverted, shared)
    return float((unknown * matters[np.ix_(lost, lost)]).sum())


def _fitted(reader: nn.Conv2d, kept: list[int], samples: list[_Sample]) -> Tensor:
    """Weights and biases with which a layer reads the kept maps: (maps size^2 + 1, outputs)."""
    size = reader.kernel_size[0]
    present = torch.cat([reader.weight[:, kept].flatten(1), _biases(reader)[:, None]], dim=1).T
    alike = [torch.ones(len(one.computed), 1) for one in samples]
    fitted = _solution(present, kept, size, samples, alike)
    squares = [
        (one.computed - one.patches(kept, size) @ fitted).square().mean(dim=1, keepdim=True)
        for one in samples
    ]
    usual = torch.cat(squares).mean().clamp(min=torch.finfo(torch.float32).tiny)
    weights = [(1 + one / usual).clamp(max=MAX_WEIGHT) for one in squares]
    return _solution(present, kept, size, samples, weights)


def _solution(
    present: Tensor, kept: list[int], size: int, samples: list[_Sample], weights: list[Tensor]
) -> Tensor:
    """Least squares with a weight (pixels, 1) for each pixel; a ridge towards the present."""
    products, targets = torch.zeros(len(present), len(present)), torch.zeros_like(present)
    for sample, weight in zip(samples, weights, strict=True):
        patches = sample.patches(kept, size)
        weighted = patches * weight
        products += weighted.T @ patches
        targets += weighted.T @ (sample.computed - patches @ present)
    system = products.double() / sum(float(weight.sum()) for weight in weights)
    missing = targets.double() / sum(float(weight.sum()) for weight in weights)
    system += RIDGE * system.diagonal().mean() * torch.eye(len(system))
    return present + torch.linalg.solve(system, missing).float()
