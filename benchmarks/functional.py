"""What methods keep of PET and SPECT: the 24 Harvard test pairs of each.

    python benchmarks/functional.py [--methods maximum dtcwt] [--space lab] [--images DIR]

Each method fuses the luminance of the functional image with the MR; its colour is put back, and
the result is rounded to 8 bits. Prints a Markdown table of means for each set: correlation and
error of the uptake that is recovered from the printed colours, CIEDE2000 where there is uptake,
edges of the MR kept outside uptake; and MI, SF, VIF and Qabf of luma (profile mfinet2024).
`--data FOLDER` names the folder of the public data sets; DIR gets a sheet of images for each.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from PIL import Image
from scipy.ndimage import gaussian_filter

from radfuse.arrays import Float32Array, UInt8Array
from radfuse.colour.maps import COLOUR_MAPS, ColourMap
from radfuse.colour.spaces import SPACES, ColourSpace
from radfuse.intensity import WINDOWS, grey_levels
from radfuse.io.images import read_image, read_levels
from radfuse.methods.catalogue import usual_methods
from radfuse.methods.loading import Method, load_method
from radfuse.methods.uptake import fuse_luminance
from radfuse.metrics.functional_kept import SIGNAL, functional_kept
from radfuse.metrics.measure import measure
from radfuse.metrics.qabf import edges_kept
from radfuse.phantom.head import make_phantom
from radfuse.phantom.tissues import Label
from radfuse.pipeline.volume import scale_volumes
from radfuse.recipe import DEFAULT_FUNCTIONAL_METHOD

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Default folder of the data sets."""

SETS = {"PET": ("harvard_pet", "atlas-pet"), "SPECT": ("harvard_spect", "atlas-spect")}
"""Folder and colour map of each set."""

COPIED = ("copy of the functional image", "copy of the MR")
"""Rows that show what the metrics reward."""

COLUMNS = 6

SEED, PSF_MM = 301, 2.5
"""Of the phantom; standard deviation of the PET's blur."""

UPTAKE = {
    Label.GREY: 0.75, Label.WHITE: 0.3, Label.TUMOUR: 1.0, Label.MUSCLE: 0.08, Label.SKIN: 0.06,
    Label.BLOOD: 0.12,
}  # fmt: skip
"""Values of tissues."""


@dataclass(frozen=True)
class FunctionalPair:
    """A functional image in colour, and the MR in grey; in [0, 1]."""

    rgb: Float32Array
    mr: Float32Array


Fuse = Callable[[FunctionalPair], Float32Array]
"""The fused image in colour."""


def pairs_of(data: Path, name: str) -> list[FunctionalPair]:
    """The test pairs of a set."""
    folder = data / SETS[name][0] / "test"
    files = sorted((folder / name).glob("*.png"))
    return [
        FunctionalPair(read_levels(file), read_image(folder / "MRI" / file.name)) for file in files
    ]


def fusing(method: Method, space: ColourSpace, colour_map: ColourMap) -> Fuse:
    """Fuse luminance by a method, keep the colour."""

    def fuse(pair: FunctionalPair) -> Float32Array:
        images = space.luminance(pair.rgb), pair.mr, colour_map.values(pair.rgb)
        luminance = fuse_luminance(method, *(image[None] for image in images))[0]
        return space.with_luminance(pair.rgb, luminance)

    return fuse


def rows(
    methods: list[str], space: ColourSpace, colour_map: ColourMap
) -> Iterator[tuple[str, Fuse]]:
    """What is measured, by the name of its row."""
    yield COPIED[0], lambda pair: pair.rgb
    yield COPIED[1], lambda pair: np.repeat(pair.mr[..., None], 3, axis=-1)
    for name in methods:
        yield name, fusing(load_method(name), space, colour_map)


def luma(rgb: Float32Array) -> UInt8Array:
    """Luma in 8 bits."""
    return np.asarray(grey_levels(SPACES["ycbcr"].luminance(rgb)), np.uint8)


def measured(fused: Float32Array, pair: FunctionalPair, colour_map: ColourMap) -> list[float]:
    """The cells of a row, of one pair."""
    fused = (grey_levels(fused) / np.float32(255)).astype(np.float32)
    outside = colour_map.values(pair.rgb) <= SIGNAL
    mr = np.asarray(grey_levels(pair.mr), np.uint8)
    edges = edges_kept(luma(fused), mr, outside)
    metrics = measure("mfinet2024", luma(fused), luma(pair.rgb), mr)
    of_paper = [metrics[one] for one in ("MI", "SF", "VIF", "Qabf")]
    return [*astuple(functional_kept(fused, pair.rgb, colour_map)), edges, *of_paper]


def table(
    name: str, pairs: list[FunctionalPair], methods: list[str], space: ColourSpace
) -> Iterator[str]:
    """The lines of a table."""
    yield f"\n| {name} | correlation | error | CIEDE2000 | MR edges | MI | SF | VIF | Qabf |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    colour_map = COLOUR_MAPS[SETS[name][1]]
    for row, fuse in rows(methods, space, colour_map):
        values = np.array([measured(fuse(pair), pair, colour_map) for pair in pairs])
        cells = zip(np.nanmean(values, axis=0), (3, 3, 1, 2, 3, 2, 3, 3), strict=True)
        label = row if row in COPIED else f"`{row}`"
        yield f"| {label} | {' | '.join(f'{cell:.{digits}f}' for cell, digits in cells)} |"


def phantom_pair() -> FunctionalPair:
    """A slice of a synthetic phantom through its tumour, with uptake as of glucose."""
    phantom = make_phantom(SEED, spacing_mm=1.0)
    labels = sitk.GetArrayFromImage(phantom.labels)
    values = np.select([labels == one for one in UPTAKE], list(UPTAKE.values()), 0.0)
    z = int(np.argmax((labels == Label.TUMOUR).sum(axis=(1, 2))))
    uptake = gaussian_filter(values, PSF_MM / phantom.labels.GetSpacing()[0])[z]
    scaled = scale_volumes(phantom.ct, phantom.mr, phantom.mr_from_ct, WINDOWS["fusion"])
    rows, columns = scaled.box[1:]
    rgb = COLOUR_MAPS["atlas-pet"].colours(uptake[rows, columns].astype(np.float32))
    return FunctionalPair(rgb, scaled.mr[z - scaled.box[0].start])


def draw(path: Path, pairs: list[FunctionalPair], fuse: Fuse, axis: int = 0) -> None:
    """A sheet: functional image, MR and fused image of each pair, along an axis."""
    columns = [
        np.concatenate([pair.rgb, np.repeat(pair.mr[..., None], 3, axis=-1), fuse(pair)], axis)
        for pair in pairs[:: max(1, len(pairs) // COLUMNS)][:COLUMNS]
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grey_levels(np.concatenate(columns, axis=1))).save(path)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--methods", nargs="*", default=[DEFAULT_FUNCTIONAL_METHOD, *usual_methods()]
    )
    parser.add_argument("--space", choices=list(SPACES), default="lab")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--phantom", type=Path, help="write an image of a phantom, and no table")
    options = parser.parse_args()
    space = SPACES[options.space]
    if options.phantom:
        fuse = fusing(load_method(options.methods[0]), space, COLOUR_MAPS["atlas-pet"])
        draw(options.phantom, [phantom_pair()], fuse, axis=1)
        return
    for name in SETS:
        pairs = pairs_of(options.data, name)
        print(*table(name, pairs, options.methods, space), sep="\n", flush=True)
        if options.images:
            colour_map = COLOUR_MAPS[SETS[name][1]]
            fuse = fusing(load_method(options.methods[0]), space, colour_map)
            draw(options.images / f"{name.lower()}.png", pairs, fuse)


if __name__ == "__main__":
    main()
