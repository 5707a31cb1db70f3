"""Narrowed networks: what no pixel needs is removed without a change, and the rest is fitted."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from radfuse.arrays import Float32Array
from radfuse.errors import InputError
from radfuse.networks.res2fusion import READERS, WIDTHS, Res2Fusion
from radfuse.training.export.narrow import narrow, without_unused_maps

Sources = tuple[Float32Array, Float32Array]

MAX_LOST = 1e-4
"""Of the range: what the ridge costs where the fit could be exact."""


class Chain(nn.Module):
    """Eight maps of CT and MR, one of them unused, and what reads them."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Conv2d(2, 8, 3, padding=1)
        self.reader = nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, ct: Tensor, mr: Tensor) -> Tensor:
        """Images (N, 3, H, W)."""
        outputs: Tensor = self.reader(torch.relu(self.maps(torch.stack([ct, mr], dim=1))))
        return outputs


@pytest.fixture
def sources() -> Sources:
    ct, mr = np.random.default_rng(1).random((2, 3, 24, 20), np.float32)
    return ct, mr


@pytest.fixture
def chain() -> Chain:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return Chain()


@torch.no_grad()
def outputs_of(network: nn.Module, sources: Sources) -> Float32Array:
    values: Float32Array = network(*(torch.from_numpy(one) for one in sources)).numpy()
    return values


def test_maps_without_values_are_removed_without_a_change(chain: Chain, sources: Sources) -> None:
    with torch.no_grad():
        chain.maps.bias[[2, 5]] = -100.0
    narrowed = narrow(chain, {"maps": "reader"}, {"maps": 6}, *sources)
    assert narrowed.get_submodule("maps").weight.shape == (6, 2, 3, 3)
    assert narrowed.get_submodule("reader").weight.shape == (3, 6, 3, 3)
    expected = outputs_of(chain, sources)
    np.testing.assert_allclose(outputs_of(narrowed, sources), expected, rtol=0, atol=1e-6)


def test_a_multiple_of_another_map_is_read_from_that(chain: Chain, sources: Sources) -> None:
    with torch.no_grad():
        chain.maps.weight[3] = 2 * chain.maps.weight[6]
        chain.maps.bias[3] = 2 * chain.maps.bias[6]
    narrowed = narrow(chain, {"maps": "reader"}, {"maps": 7}, *sources)
    lost = np.abs(outputs_of(narrowed, sources) - outputs_of(chain, sources)).max()
    assert lost < MAX_LOST


def test_fitted_maps_deviate_less_than_removed_ones(chain: Chain, sources: Sources) -> None:
    narrowed = narrow(chain, {"maps": "reader"}, {"maps": 5}, *sources)
    expected = outputs_of(chain, sources)
    kept = [
        [bool((one == other).all()) for other in chain.maps.weight].index(True)
        for one in narrowed.get_submodule("maps").weight
    ]
    with torch.no_grad():
        lost = [one for one in range(8) if one not in kept]
        chain.reader.weight[:, lost] = 0
    removed = np.square(outputs_of(chain, sources) - expected).mean()
    assert np.square(outputs_of(narrowed, sources) - expected).mean() < removed


def test_the_network_itself_does_not_change(chain: Chain, sources: Sources) -> None:
    before = outputs_of(chain, sources)
    narrow(chain, {"maps": "reader"}, {"maps": 4}, *sources)
    np.testing.assert_array_equal(outputs_of(chain, sources), before)
    assert chain.maps.out_channels == 8


def test_unused_maps_fill_up_what_is_wanted(chain: Chain, sources: Sources) -> None:
    with torch.no_grad():
        chain.maps.bias[:4] = -100.0
    narrowed = narrow(chain, {"maps": "reader"}, {"maps": 6}, *sources)
    assert narrowed.get_submodule("maps").out_channels == 6
    expected = outputs_of(chain, sources)
    np.testing.assert_allclose(outputs_of(narrowed, sources), expected, rtol=0, atol=MAX_LOST)


@pytest.mark.parametrize("wanted", [0, 9])
def test_numbers_of_maps_that_cannot_remain_are_refused(
    chain: Chain, sources: Sources, wanted: int
) -> None:
    with pytest.raises(InputError, match=f"maps has 8 maps; {wanted} cannot remain"):
        narrow(chain, {"maps": "reader"}, {"maps": wanted}, *sources)


def test_only_convolutions_with_biases_are_narrowed(chain: Chain, sources: Sources) -> None:
    chain.reader = nn.Conv2d(8, 3, 3, bias=False)
    with pytest.raises(InputError, match="reader is no convolution with biases"):
        narrow(chain, {"maps": "reader"}, {"maps": 4}, *sources)


def test_narrowed_res2fusion_has_the_widths_that_rebuild_it(sources: Sources) -> None:
    widths = (24, 56, 48, 56, 24, 8)
    maps = dict(zip(READERS, widths, strict=True))
    narrowed = narrow(Res2Fusion(), READERS, maps, *(one[:1] for one in sources))
    again = Res2Fusion(widths=widths)
    again.load_state_dict(narrowed.state_dict())
    np.testing.assert_array_equal(outputs_of(again, sources), outputs_of(narrowed, sources))


@pytest.mark.parametrize(("unused", "remain"), [(0, 64), (7, 64), (8, 56), (9, 56), (63, 8)])
def test_unused_maps_go_by_eight_and_no_pixel_changes(
    sources: Sources, unused: int, remain: int
) -> None:
    network = Res2Fusion()
    with torch.no_grad():
        network.get_parameter("extractor.2.bias")[unused:] = 10.0
        network.get_parameter("extractor.2.bias")[:unused] = -100.0
    narrowed = without_unused_maps(network, READERS, *sources)
    assert narrowed.get_submodule("extractor.2").weight.shape[0] == remain
    assert narrowed.get_submodule("extractor.4.enter").weight.shape[1] == remain
    expected = outputs_of(network, sources)
    np.testing.assert_allclose(outputs_of(narrowed, sources), expected, rtol=0, atol=1e-6)


def test_maps_that_one_image_needs_are_used(chain: Chain, sources: Sources) -> None:
    chain.maps, chain.reader = nn.Conv2d(2, 16, 3, padding=1), nn.Conv2d(16, 3, 3, padding=1)
    with torch.no_grad():
        chain.get_parameter("maps.bias")[:8] = -100.0
        chain.get_parameter("maps.bias")[8:] = 10.0
        chain.get_parameter("maps.weight")[3] = 200.0  # above 0 only where the sources are white
    ct, mr = (0.01 * one for one in sources)
    ct[-1, 5:9, 5:9] = mr[-1, 5:9, 5:9] = 1.0
    narrowed = without_unused_maps(chain, {"maps": "reader"}, ct, mr)
    assert narrowed.get_submodule("maps").weight.shape[0] == 16
    without_last = without_unused_maps(chain, {"maps": "reader"}, ct[:-1], mr[:-1])
    assert without_last.get_submodule("maps").weight.shape[0] == 8


def test_res2fusion_is_that_of_table_1_by_default() -> None:
    layers = dict(Res2Fusion().named_modules())
    assert tuple(layers[name].out_channels for name in READERS) == WIDTHS
    assert [layers[name].in_channels for name in READERS.values()] == list(WIDTHS)
