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


