"""The images of docs/howto/pet-and-spect.md and docs/howto/several-images.md, of a phantom.

    python benchmarks/functional_images.py FOLDER

CT, MR, PET and SPECT are fused by their true transforms; every file is a table of tiles, with the
name of what it shows above each.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import numpy as np
import SimpleITK as sitk
from PIL import Image, ImageDraw, ImageFont

import radfuse
from gallery import LABEL_PX, write_images
from radfuse.arrays import UInt8Array
from radfuse.phantom.head import Phantom, draw_layers, make_phantom
from radfuse.phantom.uptake import FDG, HMPAO, FunctionalScan, scan_uptake
from radfuse.recipe import DEFAULT_FUNCTIONAL_METHOD, ColourMapName, Recipe
from radfuse.registration.transforms import write_transform
from radfuse.series import Series
from registration import t2_weighted

SEED, SPACING_MM = 301, 1.2
"""Of the phantom; not used in any choice."""

WIDTHS_PX = {3: 200, 4: 200, 5: 150}
"""Side of a tile, by the number of columns."""

COLOURS = 256
"""Of a file: half of its bytes, without visible difference."""

CUTS = ("axial", "coronal", "sagittal")

Tiles = dict[str, UInt8Array]
"""RGB (H, W, 3)."""


def table(tiles: Mapping[str, UInt8Array], columns: int) -> Image.Image:
    """Named images in rows, each fitted into a square, in few colours."""
    rows, tile_px = -(-len(tiles) // columns), WIDTHS_PX[columns]
    whole = Image.new("RGB", (columns * tile_px, rows * (tile_px + LABEL_PX)))
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(LABEL_PX - 4)
    for number, (name, tile) in enumerate(tiles.items()):
        row, column = divmod(number, columns)
        left, top = column * tile_px, row * (tile_px + LABEL_PX)
        draw.text((left + 2, top), name, fill="white", font=font)
        image = Image.fromarray(tile)
        image.thumbnail((tile_px, tile_px), Image.Resampling.LANCZOS)
        whole.paste(image, (left + (tile_px - image.width) // 2, top + LABEL_PX))
    _, _, _, bottom = whole.getbbox() or (0, 0, 0, whole.height)
    whole = whole.crop((0, 0, whole.width, bottom))
    return whole.quantize(COLOURS, dither=Image.Dither.NONE)


def cut(image: sitk.Image, name: str, point_mm: tuple[float, float, float]) -> UInt8Array:
    """A plane through a point, 8 bits, patient's left on the right of the image, 1 mm pixels."""
    levels = sitk.GetArrayFromImage(image)
    x, y, z = image.TransformPhysicalPointToIndex(point_mm)
    plane = {"axial": np.s_[z], "coronal": np.s_[::-1, y], "sagittal": np.s_[::-1, :, x]}[name]
    across, down = {"axial": (0, 1), "coronal": (0, 2), "sagittal": (1, 2)}[name]
    values = levels[plane]
    if values.ndim == 2:
        values = np.repeat(values[..., None], 3, axis=2)
    spacing = image.GetSpacing()
    size = round(values.shape[1] * spacing[across]), round(values.shape[0] * spacing[down])
    shown = Image.fromarray(values.astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(shown)


def grey(image: sitk.Image, low: float, high: float) -> sitk.Image:
    """The image in 8 bits between two values."""
    return sitk.Cast(sitk.IntensityWindowing(image, low, high, 0, 255), sitk.sitkUInt8)


@dataclass(frozen=True)
class Scene:
    """A phantom with its scans."""

    phantom: Phantom
    pet: FunctionalScan
    spect: FunctionalScan
    t2: Series

    @classmethod
    def make(cls) -> "Scene":
        """Of the seed."""
        phantom = make_phantom(SEED, spacing_mm=SPACING_MM)
        layers = draw_layers(SEED, spacing_mm=SPACING_MM)
        pet, spect = (scan_uptake(layers, tracer, SEED) for tracer in (FDG, HMPAO))
        t2 = replace(t2_weighted(phantom), source=Path("t2"))
        return cls(phantom, pet, spect, t2)

    @property
    def centre_mm(self) -> tuple[float, float, float]:
        """The tumour, a CT point."""
        return self.phantom.tumour_centre_mm

    def coloured(
        self,
        scan: FunctionalScan,
        colour_map: ColourMapName = "lightness",
        anatomical: Series | None = None,
    ) -> sitk.Image:
        """A functional image with the MR, or with the CT, in colour."""
        in_mr = scan.functional_from_mr(self.phantom)
        with TemporaryDirectory() as folder:
            truth = Path(folder) / "truth.tfm"
            write_transform(truth, scan.functional_from_ct if anatomical else in_mr)
            recipe = Recipe(
                method=DEFAULT_FUNCTIONAL_METHOD, transform=truth, colour_map=colour_map,
                accept_registration=True,
            )  # fmt: skip
            fixed = anatomical or self.phantom.mr
            return radfuse.fuse(fixed, scan.series, recipe=recipe).image

    def alone(self, scan: FunctionalScan) -> sitk.Image:
        """A functional image in grey on the grid of the MR."""
        functional = scan.series.image
        on_mr = scan.functional_from_mr(self.phantom)
        resampled = sitk.Resample(functional, self.phantom.mr.image, on_mr)
        return grey(resampled, 0, float(sitk.GetArrayViewFromImage(functional).max()))


def planes(scene: Scene, scan: FunctionalScan, name: str) -> Tiles:
    """MR, functional image and fused, in three planes through the tumour."""
    mr = scene.phantom.mr.image
    point = scene.phantom.mr_from_ct.TransformPoint(scene.centre_mm)
    images = {"MR": grey(mr, 0, 1000), name: scene.alone(scan), "fused": scene.coloured(scan)}
    return {
        f"{shown}, {one}": cut(image, one, point) for one in CUTS for shown, image in images.items()
    }


def colour_maps(scene: Scene) -> Tiles:
    """The fused axial plane in every colour map."""
    point = scene.phantom.mr_from_ct.TransformPoint(scene.centre_mm)
    return {
        name: cut(scene.coloured(scene.pet, name), "axial", point)
        for name in get_args(ColourMapName)
    }


def several(scene: Scene) -> Tiles:
    """All images of a patient on the grid of the CT, in three planes through the tumour."""
    phantom = scene.phantom
    t1, t2 = (sitk.Resample(one.image, phantom.ct.image, phantom.mr_from_ct)
              for one in (phantom.mr, scene.t2))  # fmt: skip
    with TemporaryDirectory() as folder:
        truth = Path(folder) / "truth.tfm"
        write_transform(truth, phantom.mr_from_ct)
        fused = radfuse.fuse(phantom.ct, phantom.mr, recipe=Recipe(transform=truth)).image
    images = {
        "CT": grey(phantom.ct.image, -160, 240),
        "T1 contrast": grey(t1, 0, 1000),
        "T2": grey(t2, 0, 1000),
        "PET over CT": scene.coloured(scene.pet, anatomical=phantom.ct),
        "CT with T1": grey(fused, 0, 4095),
    }
    return {
        f"{shown}, {one}": cut(image, one, scene.centre_mm)
        for one in CUTS
        for shown, image in images.items()
    }


def files() -> Iterator[tuple[str, Tiles, int]]:
    """Names, tiles, and tiles in a row."""
    scene = Scene.make()
    yield "pet-mr", planes(scene, scene.pet, "PET"), 3
    yield "spect-mr", planes(scene, scene.spect, "SPECT"), 3
    yield "colour-maps", colour_maps(scene), len(get_args(ColourMapName))
    yield "several-images", several(scene), 5


if __name__ == "__main__":
    write_images(str(__doc__), ((name, table(tiles, columns)) for name, tiles, columns in files()))
