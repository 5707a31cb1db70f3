"""The images of docs/signed-detail.md: a phantom with findings, in CT, MR and fused images.

    python benchmarks/example_images.py FOLDER

Findings are inserted into a synthetic phantom; every file is a row of tiles, or several, with
the name of what it shows above each.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk

from gallery import sheet, write_images
from radfuse.arrays import Float32Array, image_on
from radfuse.intensity import WINDOWS, window_named
from radfuse.methods.head import ArrayHead, HeadMethod
from radfuse.methods.loading import load_method
from radfuse.phantom.findings import Finding, Pair, insert_findings
from radfuse.phantom.head import make_phantom
from radfuse.phantom.sites import find_sites
from radfuse.pipeline.volume import fuse_head, fuse_volumes, scale_volumes, whole
from radfuse.recipe import DEFAULT_WINDOW

SEED, SPACING_MM = 301, 1.0
"""Of the phantom; not used in any choice."""

KINDS = ("calcification, MR void", "haemorrhage", "infarct", "marrow infiltration")
NEAR_MM = 32.0
"""Half of the side of a tile around a finding."""

COMPARED = ("bone_blend", "mfinet", "signed_detail")
MARROW = (0.0, 0.3, 1.0)
CUT_MM = 45.0
"""Of the MR's slices, for the border of its field of view."""

Tiles = dict[str, Float32Array]


@dataclass(frozen=True)
class Scene:
    """A phantom with findings."""

    pair: Pair
    findings: dict[str, Finding]

    @classmethod
    def make(cls) -> "Scene":
        """With one finding of each of `KINDS`."""
        phantom = make_phantom(SEED, spacing_mm=SPACING_MM)
        window = window_named(DEFAULT_WINDOW)
        scaled = scale_volumes(phantom.ct, phantom.mr, phantom.mr_from_ct, window)
        hu = sitk.GetArrayFromImage(phantom.ct.image)[scaled.box].astype(np.float32)
        before = Pair(hu, scaled.mr, phantom.ct.image.GetSpacing()[::-1])
        sites = find_sites(hu, before.spacing_mm, scaled.fov_mask)
        pair, found = insert_findings(before, sites, KINDS, np.random.default_rng(SEED))
        return cls(pair, {finding.kind: finding for finding in found})

    def fused(self, name: str, part: slice = slice(None), **options: float) -> Float32Array:
        """Some slices by a method; by one that takes a whole head, cut out of it."""
        window = window_named(DEFAULT_WINDOW)
        method = load_method(name, options, window=window)
        if isinstance(method, HeadMethod):
            head = ArrayHead(self.pair.hu, self.pair.mr, self.pair.spacing_mm)
            return whole(fuse_head(method, head, window))[part]
        return method(window.scale(self.pair.hu[part]), self.pair.mr[part])

    def ct(self, window: str) -> Float32Array:
        """In a display window."""
        return WINDOWS[window].scale(self.pair.hu)

    def near(self, kind: str, image: Float32Array, start: int = 0) -> Float32Array:
        """The axial tile around a finding; `start` is the first slice of the image."""
        z, y, x = ((side.start + side.stop) // 2 for side in self.findings[kind].box)
        reach = round(NEAR_MM / SPACING_MM)
        return image[z - start, max(y - reach, 0) : y + reach, max(x - reach, 0) : x + reach]


def planes(scene: Scene) -> Tiles:
    """Axial, coronal and sagittal through the calcification."""
    box = scene.findings["calcification, MR void"].box
    z, y, x = ((side.start + side.stop) // 2 for side in box)
    images = {
        "CT, brain": scene.ct("brain"),
        "CT, bone": scene.ct("bone"),
        "MR": scene.pair.mr,
        "bone_blend": scene.fused("bone_blend"),
        "signed_detail": scene.fused("signed_detail"),
    }
    cuts = {"axial": np.s_[z], "coronal": np.s_[::-1, y], "sagittal": np.s_[::-1, :, x]}
    return {
        f"{name}, {cut}": image[where]
        for cut, where in cuts.items()
        for name, image in images.items()
    }


def around(scene: Scene, kind: str) -> Tiles:
    """A finding in CT, MR and the fused images of several methods."""
    z = (scene.findings[kind].box[0].start + scene.findings[kind].box[0].stop) // 2
    tiles = {
        "CT, brain": scene.near(kind, scene.ct("brain")),
        "MR": scene.near(kind, scene.pair.mr),
    }
    part = slice(z, z + 1)
    return tiles | {name: scene.near(kind, scene.fused(name, part), start=z) for name in COMPARED}


def marrow(scene: Scene) -> Tiles:
    """The MR inside bone, by the option."""
    kind = "marrow infiltration"
    shown = {f"marrow {share:g}": scene.fused("signed_detail", marrow=share) for share in MARROW}
    tiles = {"CT, bone": scene.ct("bone"), "MR": scene.pair.mr, **shown}
    return {name: scene.near(kind, image) for name, image in tiles.items()}


def border() -> Tiles:
    """The CT outside the MR's field of view, sagittal, by the whole command's fusion."""
    phantom = make_phantom(SEED, spacing_mm=SPACING_MM)
    count = round(CUT_MM / phantom.mr.image.GetSpacing()[2])
    mr = replace(phantom.mr, image=phantom.mr.image[:, :, count:])
    window = window_named(DEFAULT_WINDOW)
    method = load_method("signed_detail", window=window)
    image, region = fuse_volumes(phantom.ct, mr, phantom.mr_from_ct, window, method)
    fused = sitk.GetArrayFromImage(image).astype(np.float32)
    fused /= fused.max()
    x = fused.shape[2] // 2
    hu = sitk.GetArrayFromImage(phantom.ct.image).astype(np.float32)
    on_ct = np.zeros_like(fused)
    on_ct[region.box] = region.fov_mask
    mr_on_ct = sitk.Resample(mr.image, image_on(phantom.ct.image, fused), phantom.mr_from_ct)
    low, high = region.mr_range
    values = np.clip((sitk.GetArrayFromImage(mr_on_ct) - low) / (high - low), 0, 1)
    tiles = {"CT, bone": WINDOWS["bone"].scale(hu), "MR": values, "MR field of view": on_ct,
             "signed_detail": fused}  # fmt: skip
    return {name: np.asarray(image[::-1, :, x], np.float32) for name, image in tiles.items()}


def files() -> Iterator[tuple[str, Tiles, int]]:
    """Names, tiles, and tiles in a row."""
    scene = Scene.make()
    yield "planes", planes(scene), 5
    for kind in ("calcification, MR void", "haemorrhage", "infarct"):
        yield kind.split(",")[0], around(scene, kind), 2 + len(COMPARED)
    yield "marrow", marrow(scene), 2 + len(MARROW)
    yield "field-of-view", border(), 4


if __name__ == "__main__":
    write_images(str(__doc__), ((name, sheet(tiles, columns)) for name, tiles, columns in files()))
