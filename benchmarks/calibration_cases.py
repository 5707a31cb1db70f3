"""Cases of `benchmarks/calibration.py`: pairs with known truth, made as users' data are.

Every case is of one kind, source (a phantom's seed or the VHF) and half. The halves, for setting
thresholds and for testing them, are drawn by seed and kind before any threshold is set.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import SimpleITK as sitk

import calibration_anatomy as anatomy
from calibration_changes import (
    Change,
    biased,
    ghosted,
    interpolated,
    noisy,
    oblique,
    shaded,
    slab,
    stored,
    thick,
)
from calibration_pairs import (
    DATA,
    VHF,
    Pair,
    another,
    contrast,
    distorted,
    given,
    loaded,
    mirror,
    moved,
    stripped,
    with_ct,
    with_mr,
)

SEEDS = (11, 12, 13, 14, 15, 16, 17, 18)
"""Phantoms; none of them is used by a test or another benchmark."""


@dataclass(frozen=True)
class Case:
    """One row of the calibration."""

    kind: str
    variant: str
    source: str
    make: Callable[[], Pair]

    @property
    def name(self) -> str:
        """Names the row."""
        return f"{self.kind}/{self.variant}/{self.source}"

    @property
    def half(self) -> str:
        """`calibration` or `testing`: by a hash of kind and seed; for the VHF of the variant."""
        word = self.name if self.source == VHF else f"{self.kind}/{self.source}"
        return ("calibration", "testing")[zlib.crc32(word.encode()) % 2]


SLABS = (
    ("top", 0, 40), ("top", 0, 60), ("top", 0, 80), ("top", 0, 100), ("middle", 45, 70),
    ("middle", 40, 80), ("middle", 30, 90), ("middle", 40, 140), ("low", 90, 130), ("low", 80, 160),
)  # fmt: skip
"""Axial slabs: mm below the upper end of the MR."""

SIDES = (("half left", 0, 0, 98), ("half right", 0, 98, 220), ("coronal front", 1, 20, 70),
         ("coronal middle", 1, 90, 140), ("sagittal middle", 0, 75, 120))  # fmt: skip
"""Other parts: axis of the MR, and mm along it."""

ORDERS = ("PIR", "ASR", "LIP", "AIL", "RSA", "SPL")
POSES = (
    (0.5, 0), (1, 0), (1.5, 0), (2, 0), (3, 0), (5, 0), (8, 0), (0, 0.5), (0, 1), (0, 2), (0, 3),
    (0, 5), (1, 1), (2, 2),
)  # fmt: skip


def partial_changes() -> Iterator[tuple[str, Change]]:
    """Parts of a head."""
    for height, first, last in SLABS:
        yield f"{height} {first}-{last}", slab(2, first, last)
    for name, axis, first, last in SIDES:
        yield name, slab(axis, first, last)


def cases(data: Path = DATA) -> list[Case]:
    """All cases, in an order by hash, so that the first ones are of all kinds and sources."""
    rows = [row for source in (*map(str, SEEDS), VHF) for row in _of_source(source, data)]
    made = [Case(*row) for row in rows]
    return sorted(made, key=lambda case: zlib.crc32(f"order/{case.name}".encode()))


Row = tuple[str, str, str, Callable[[], Pair]]


def _of_source(source: str, data: Path) -> Iterator[Row]:
    """Rows of one source."""

    def row(kind: str, variant: str, make: Callable[[Pair], Pair]) -> Row:
        return kind, variant, source, lambda: make(loaded(source, data))

    others = [str(seed) for seed in SEEDS if str(seed) != source]
    other = others[0 if source == VHF else (int(source) * 3) % len(others)]
    yield row("plain", "whole", lambda pair: pair)
    for index, (name, change) in enumerate(partial_changes()):
        if source != VHF and (index + int(source)) % 3:
            continue
        yield row("slab", name, partial(with_mr, change=change))
        yield row("mirrored slab", name, partial(mirror, change=change))
        whose = f"{name} of {other}"
        yield row("other person's slab", whose, partial(another, data, other, change))
    yield row("mirrored", "whole", mirror)
    yield row("other person", other, partial(another, data, other, sitk.Image))
    for margin in (0, 2):
        yield row("stripped", f"{margin} mm", partial(stripped, margin_mm=margin))
    for axes in ORDERS[:: 1 if source == VHF else 3]:
        yield row("stored", axes, partial(with_mr, change=stored(axes)))
    yield row("stored", "oblique", partial(with_mr, change=oblique(15)))
    for index, (shift, angle) in enumerate(POSES):
        if source == VHF or (index + int(source)) % 2:
            seed = index + zlib.crc32(source.encode()) % 1000
            yield row(
                "given",
                f"{shift} mm {angle} deg",
                partial(given, shift_mm=shift, angle_deg=angle, seed=seed),
            )
    yield from _of_less_interest(row, source)
    yield from _of_patients(row, source)


def _of_less_interest(row: Callable[..., Row], source: str) -> Iterator[Row]:
    """Contrasts, artefacts, cropped CTs, distortions and large rotations."""
    for name in ("inverted",) if source == VHF else ("t2", "flair", "pd"):
        yield row("contrast", name, partial(contrast, source, name))
    yield row("thick", "2 slices", partial(with_mr, change=thick(2)))
    yield row("noise", "8 %", partial(with_mr, change=noisy(0.08)))
    yield row("bias", "60 %", partial(with_mr, change=biased(0.6)))
    for name, first, last in (("vault", 0, 70), ("upper", 0, 110), ("base", 90, 400)):
        cut = slab(2, first, last)
        yield row("cropped CT", name, partial(with_ct, change=cut))
    for factors in ((1.02, 1.0, 1.0), (1.04, 1.0, 1.0), (1.02, 1.02, 1.02)):
        name = ":".join(f"{factor:.2f}" for factor in factors)
        yield row("distorted", name, partial(distorted, factors=factors))
    for degrees, axis in ((45, 0), (90, 2), (180, 1)):
        letter = "LPS"[axis]
        yield row(
            "rotated", f"{degrees} deg about {letter}", partial(moved, degrees=degrees, axis=axis)
        )


Make = Callable[[Pair], Pair]

WARPED = ("left, lower", "right, upper", "front, upper", "back, lower", "vertex",
          "back left, upper", "front right, lower", "skull base")  # fmt: skip
"""Regions of the skull that are displaced by 4 mm."""

ROTATIONS = ((90, 0), (-90, 0), (180, 0), (90, 1), (-90, 1), (-90, 2), (180, 2))
"""Degrees and axis, besides those of `_of_less_interest`."""


def variants(source: str) -> tuple[tuple[str, str, Make], ...]:
    """Treated, immobilized, small and imperfectly acquired heads."""
    whole = source == VHF
    return (
        ("contrast", "t1 gd", partial(contrast, source, "t1 gd")),
        ("contrast", "swi", partial(contrast, source, "swi")),
        ("thick", "interpolated", partial(
            with_mr, change=interpolated(1 if whole else 2, 4 if whole else 2))),
        ("neck", "CT", partial(anatomy.necked, length_mm=180.0, in_mr=False)),
        ("neck", "CT and MR", partial(anatomy.necked, length_mm=90.0, in_mr=True)),
        ("ghosting", "20 %", partial(with_mr, change=ghosted(0.2))),
        ("bias", "85 %", partial(with_mr, change=biased(0.85))),
        ("bias", "coil at the left", partial(with_mr, change=shaded(0.8))),
        *(("metal in CT", name, partial(anatomy.metal_streaks, centres=centres))
          for name, centres in anatomy.METAL.items()),
        *(("signal void", name, partial(anatomy.signal_void, name=name)) for name in anatomy.VOIDS),
        ("couch", "in CT", anatomy.couch),
        ("mask", "in CT", anatomy.thermoplastic_mask),
        ("frame", "in CT", partial(anatomy.frame, in_mr=False)),
        ("frame", "in CT and MR", partial(anatomy.frame, in_mr=True)),
        ("surgery", "craniectomy", anatomy.craniectomy),
        ("surgery", "burr holes", anatomy.burr_holes),
        ("surgery", "resection cavity", anatomy.cavity),
        ("large tumour", "56 mm", partial(anatomy.large_tumour, source=source)),
        ("small head", "child", partial(anatomy.scaled, factor=0.88, bone=0.8)),
        ("small head", "infant", partial(anatomy.scaled, factor=0.72, bone=0.5)),
        ("defaced", "MR", anatomy.defaced),
        ("radial distortion", "3 %", partial(anatomy.radially_distorted, share=0.03)),
        ("radial distortion", "-3 %", partial(anatomy.radially_distorted, share=-0.03)),
        ("shear", "3 %", partial(anatomy.sheared, share=0.03)),
    )  # fmt: skip


def _of_patients(row: Callable[..., Row], source: str) -> Iterator[Row]:
    """Every second of the variants for a phantom, all for the VHF; warps and large rotations."""
    whole = source == VHF
    for index, (kind, variant, make) in enumerate(variants(source)):
        if kind == "contrast" if whole else (index + int(source)) % 2:
            continue
        yield row(kind, variant, make)
    for index, region in enumerate(WARPED):
        size_mm = 4.0 if index % 2 else -4.0
        if whole or index % 4 == int(source) % 4:
            make = partial(anatomy.locally_warped, region=region, size_mm=size_mm)
            yield row("local warp", f"{size_mm:+.0f} mm {region}", make)
    for index, (degrees, axis) in enumerate(ROTATIONS):
        if whole or index % 4 == int(source) % 4:
            yield row("rotated", f"{degrees} deg about {'LPS'[axis]}",
                      partial(moved, degrees=degrees, axis=axis))  # fmt: skip
