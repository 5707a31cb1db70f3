"""The metrics of docs/own-metrics.md for the rules, the pyramid, the wavelets and Res2Fusion.

    python benchmarks/own_metrics.py regions [--data ../shared/data/harvard/test]
    python benchmarks/own_metrics.py volumes

`regions` prints means over the pairs of a folder, 8-bit fused images. `volumes` prints slice
flicker and the contrast of the tumour, means over the phantoms of `SEEDS`, in the pipeline's own
CT window; each volume is fused as a whole, also outside the MR field of view.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radfuse.arrays import Float32Array
from radfuse.intensity import WINDOWS
from radfuse.io.image_pairs import read_image_pairs
from radfuse.methods.loading import Method, load_method
from radfuse.metrics.lesion_contrast import lesion_contrast, lesion_ring
from radfuse.metrics.region_fidelity import region_fidelity
from radfuse.metrics.slice_flicker import slice_flicker
from radfuse.phantom.head import Label, make_phantom
from radfuse.pipeline.volume import scale_volumes

Masks = NDArray[np.bool_]
Row = dict[str, float]

NAMES = (
    "average", "maximum", "copy_ct", "copy_mr", "bone_over_mr", "bone_blend", "laplacian", "dwt",
    "res2fusion",
)  # fmt: skip
"""Methods of the tables."""

TEST_PAIRS = Path(__file__).parents[2] / "shared" / "data" / "harvard" / "test"
"""The pairs, next to the checkout."""

SEEDS = (1, 2, 3, 7)
"""The phantom's patients."""

SPACING_MM = 1.5
"""Pixel of the phantom's CT."""

WINDOW = WINDOWS["fusion"]
"""The pipeline's window unless another is asked for."""

RING_MM = {"gap": SPACING_MM, "width": 8.0}
"""The brain tissue around a tumour."""


@dataclass(frozen=True)
class Head:
    """A phantom on one grid, its tumour and the ring of brain around it."""

    ct: Float32Array
    mr: Float32Array
    tumour: Masks
    ring: Masks


def make_head(seed: int) -> Head:
    """CT and MR brought together by the true transform; the ring is grey and white matter."""
    phantom = make_phantom(seed, spacing_mm=SPACING_MM)
    scaled = scale_volumes(phantom.ct, phantom.mr, phantom.mr_from_ct, WINDOW)
    labels = sitk.GetArrayFromImage(phantom.labels)[scaled.box]
    tumour = labels == Label.TUMOUR
    others = ~np.isin(labels, [Label.GREY, Label.WHITE])
    spacing = phantom.ct.image.GetSpacing()[::-1]
    ring = lesion_ring(tumour, others=others, spacing=spacing, **RING_MM)
    return Head(scaled.ct, scaled.mr, tumour, ring)


def measure_regions(method: Method, data: Path) -> list[Row]:
    """Region fidelity of each pair."""
    rows = []
    for pair in read_image_pairs(data):
        ct, mr = (np.divide(image[None], 255, dtype=np.float32) for image in (pair.ct, pair.mr))
        fused = np.rint(method(ct, mr)[0] * 255).astype(np.uint8)
        found = region_fidelity(fused, pair.ct, pair.mr)
        row = {"bone": found.bone.fidelity, "tissue": found.tissue.fidelity, "seam": found.seam}
        for name, part in (("bone", found.bone), ("tissue", found.tissue)):
            row |= {f"{name} structure": part.structure, f"{name} contrast": part.contrast}
        rows.append(row)
    return rows


def measure_volumes(method: Method, heads: Sequence[Head]) -> list[Row]:
    """Flicker and tumour contrast of each phantom."""
    rows = []
    for head in heads:
        slices = [slice(z, z + 1) for z in range(len(head.ct))]
        whole = np.concatenate([method(head.ct[part], head.mr[part]) for part in slices])
        fused, ct, mr = (255 * image.astype(np.float64) for image in (whole, head.ct, head.mr))
        found = lesion_contrast(fused, ct, mr, lesion=head.tumour, ring=head.ring)
        rows.append({
            "flicker": slice_flicker(fused, ct, mr),
            "tumour, grey levels": found.fused.difference,
            "of the MR's": found.difference_ratio,
            "CNR": found.fused.cnr,
            "of the MR's CNR": found.cnr_ratio,
            "kept": found.kept,
        })  # fmt: skip
    return rows


def print_row(name: str, rows: Sequence[Row]) -> None:
    """Print the means, with a header before the first row."""
    if name == NAMES[0]:
        print(f"| method | {' | '.join(rows[0])} |\n|---|{'---|' * len(rows[0])}")
    means = (np.mean([row[key] for row in rows]) for key in rows[0])
    print(f"| {name} | {' | '.join(f'{mean:.3f}' for mean in means)} |", flush=True)


def main() -> None:
    """Parse and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["regions", "volumes"])
    parser.add_argument("--data", type=Path, default=TEST_PAIRS)
    options = parser.parse_args()
    heads = [make_head(seed) for seed in SEEDS] if options.what == "volumes" else []
    for name in NAMES:
        if heads:
            method = load_method(name, window=WINDOW)
            print_row(name, measure_volumes(method, heads))
        else:
            print_row(name, measure_regions(load_method(name), options.data))


if __name__ == "__main__":
    main()
