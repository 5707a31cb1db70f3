"""PMGI as its paper and its authors' program have it."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from radfuse.networks.pmgi import PMGI, Path, published_parameters

PUBLISHED, STATISTICS = 42_401, 2 * 12 * 16
"""Numbers in a published checkpoint, and of these the running statistics of twelve layers, which
the authors' test program does not use."""


def draw(*shape: int, seed: int = 1) -> Tensor:
    return 2 * torch.rand(shape, generator=torch.Generator().manual_seed(seed)) - 1


def network_of() -> PMGI:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return PMGI()


def test_there_are_as_many_parameters_as_the_authors_published() -> None:
    found = sum(parameter.numel() for parameter in network_of().parameters())
    assert found == PUBLISHED - STATISTICS


def test_a_path_has_the_layers_of_the_paper() -> None:
    convolutions = {
        name.removesuffix(".0"): (layer.in_channels, layer.kernel_size[0])
        for name, layer in Path().named_modules()
        if isinstance(layer, nn.Conv2d)
    }
    assert convolutions == {
        "layer1": (3, 5), "layer2": (16, 3), "transfer2": (32, 1),
        "layer3": (48, 3), "transfer3": (32, 1), "layer4": (64, 3),
    }  # fmt: skip


def test_reduced_contrast_is_undone_by_normalisation() -> None:
    network, (infrared, visible) = network_of(), draw(2, 1, 1, 20, 24)
    fused = network.fuse(infrared, visible)
    torch.testing.assert_close(network.fuse(infrared / 2, visible / 2), fused, rtol=0, atol=1e-2)


def exchanged(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The parameters with what belongs to one path given to the other."""
    other = {"intensity": "gradient", "gradient": "intensity"}
    found = {"join.0.bias": state["join.0.bias"]}
    found["join.0.weight"] = state["join.0.weight"].unflatten(1, (4, 2, 16)).flip(2).flatten(1, 3)
    for name, values in state.items():
        if name.startswith("paths"):
            _, path, layer = name.split(".", maxsplit=2)
            of_both = layer.startswith("transfer") and values.dim() == 4
            found[f"paths.{other[path]}.{layer}"] = values.roll(16, 1) if of_both else values
    return found


def test_exchanging_paths_and_images_changes_nothing() -> None:
    network, (infrared, visible) = network_of(), draw(2, 1, 1, 9, 12)
    expected = network.fuse(infrared, visible)
    network.load_state_dict(exchanged({k: v.clone() for k, v in network.state_dict().items()}))
    torch.testing.assert_close(network.fuse(visible, infrared), expected, rtol=0, atol=1e-5)


def test_a_missing_array_is_named() -> None:
    with pytest.raises(KeyError, match=r"layer5\.b5"):
        published_parameters({"fusion_model.layer5.w5": np.zeros((1, 1, 128, 1))})
