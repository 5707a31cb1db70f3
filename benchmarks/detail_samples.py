"""Samples to train the network of learned_detail on: findings in phantoms and in a real head.

    python benchmarks/detail_samples.py -o runs/detail-samples [--phantoms 40] [--vhf FOLDER]

A sample is the box of a finding with what signed_detail knows of each voxel, with the finding and
without it; a box without a finding, at a random site in the brain, has the same fields. The seeds
of phantoms start at 1; those of reports, from 201 on, are never used. After an interruption the
same command resumes.
"""

import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
import numpy as np
import SimpleITK as sitk
import torch

from radfuse.arrays import BoolArray, Float32Array
from radfuse.benchmark.findings.base import DISPLAYS, levels
from radfuse.intensity import BONE_HU, WINDOWS
from radfuse.methods.detail.coarse_grid import CoarseGrid
from radfuse.methods.detail.head_contrast import (
    Background,
    Fine,
    coarse_contrast,
    fine_contrast,
    noise_hu,
)
from radfuse.methods.detail.significance import Evidence, by_thresholds
from radfuse.methods.detail.skull import Skull
from radfuse.methods.head import ArrayHead
from radfuse.methods.loading import load_method
from radfuse.methods.signed_detail import SignedDetail
from radfuse.metrics.findings_kept import Shown, reference, shown
from radfuse.phantom.findings import KINDS, Box, Finding, Pair, insert_findings
from radfuse.phantom.head import make_phantom
from radfuse.phantom.sites import Site, Sites, find_sites
from radfuse.pipeline.read import read
from radfuse.pipeline.volume import scale_volumes
from radfuse.series import Series

WINDOW = WINDOWS["fusion"]
IN_BRAIN = [name for name, kind in KINDS.items() if kind.site is not Site.SKULL]
PLACEMENTS = 2
MARGIN = (2, 8, 8)
"""Slices, rows and columns around the box of a finding."""

QUIET_BOXES, QUIET_SIZE = 8, (16, 56, 56)
"""Boxes without a finding, and their size."""

EXTRA_NOISE_HU = 7.0
"""Standard deviation of the noise that is added to each third CT."""


@dataclass(frozen=True)
class Known:
    """What signed_detail knows of the voxels of a box; (slices, rows, columns), float16."""

    own_hu: Float32Array
    """Contrast of the CT with its background, HU."""

    base: Float32Array
    missing: Float32Array
    """The base with infarcts, and what it lacks where the background is known; grey levels."""

    by_thresholds: Float32Array
    """Weight of signed_detail, before it is smoothed."""


def known_of(pair: Pair) -> tuple[Known, float]:
    """What signed_detail knows of a whole volume, and the noise of its smoothed CT in HU."""
    head, method = ArrayHead(pair.hu, pair.mr, pair.spacing_mm), SignedDetail()
    part = slice(0, len(pair.hu))
    base = load_method("bone_blend", window=WINDOW)(WINDOW.scale(pair.hu.copy()), pair.mr)
    grid = CoarseGrid.over(head.shape, head.spacing_mm, Background.SPACING_MM)
    skull = Skull.of(grid, BONE_HU, [pair.hu])
    background = Background(head.spacing_mm, grid, noise_hu(head), skull)
    background.gather(head, [(part, base)])
    kept: list[Evidence] = []

    def weigh(found: Evidence) -> Float32Array:
        kept.append(found)
        return by_thresholds(found)

    region = part, slice(0, head.shape[1]), slice(0, head.shape[2])
    fine: Fine = fine_contrast(coarse_contrast(background), head, region, base, weigh)
    return (
        Known(
            kept[0].own_hu, base + fine.faint,
            fine.known * method.missing(fine), by_thresholds(kept[0]),
        ),
        kept[0].noise_hu,
    )  # fmt: skip


def source_shows(finding: Finding, new: Pair, old: Pair) -> Shown:
    """How the source that has a finding shows it; of a CT, the best display."""
    if KINDS[finding.kind].source.code == "MR":
        images = [(levels(new.mr[finding.box]), levels(old.mr[finding.box]))]
    else:
        images = [
            (
                levels(w.scale(new.hu[finding.box].copy())),
                levels(w.scale(old.hu[finding.box].copy())),
            )
            for w in DISPLAYS
        ]
    return reference(shown(*pair, lesion=finding.lesion, ring=finding.ring) for pair in images)


def widened(box: Box, shape: tuple[int, ...]) -> Box:
    """A box with a margin, inside the volume."""
    z, y, x = (
        slice(max(side.start - more, 0), min(side.stop + more, size))
        for side, more, size in zip(box, MARGIN, shape, strict=True)
    )
    return z, y, x


def cut(known: Known, box: Box) -> dict[str, torch.Tensor]:
    """The voxels of a box."""
    return {
        name: torch.from_numpy(np.ascontiguousarray(values[box], np.float16))
        for name, values in asdict(known).items()
    }


def mask_in(mask: BoolArray, inner: Box, outer: Box) -> torch.Tensor:
    """A mask of a box as a mask of a larger one."""
    whole = np.zeros([side.stop - side.start for side in outer], np.bool_)
    at = tuple(
        slice(a.start - b.start, a.stop - b.start) for a, b in zip(inner, outer, strict=True)
    )
    whole[at] = mask
    return torch.from_numpy(whole)


def samples_of(name: str, pair: Pair, sites: Sites) -> Iterator[dict[str, object]]:
    """The samples of one head."""
    rng = np.random.default_rng([11, zlib.crc32(name.encode())])
    clean, noise = known_of(pair)
    facts = {"head": name, "noise_hu": noise, "spacing_mm": pair.spacing_mm}
    for _ in range(PLACEMENTS):
        new, found = insert_findings(pair, sites, rng.permutation(IN_BRAIN), rng)
        with_findings, _ = known_of(new)
        for finding in found:
            box = widened(finding.box, pair.hu.shape)
            shows = source_shows(finding, new, pair)
            masks = {m: getattr(finding, m) for m in ("lesion", "ring", "near")}
            yield facts | {
                "kind": finding.kind, "contrast": shows.contrast / 255, "noise": shows.noise / 255,
                "without": cut(clean, box), "with": cut(with_findings, box),
                **{m: mask_in(mask, finding.box, box) for m, mask in masks.items()},
            }  # fmt: skip
    voxels = np.argwhere(sites.brain)
    for at in rng.choice(voxels, QUIET_BOXES):
        z, y, x = (
            slice(max(int(a) - size // 2, 0), min(int(a) + size // 2, length))
            for a, size, length in zip(at, QUIET_SIZE, pair.hu.shape, strict=True)
        )
        yield facts | {"kind": "", "without": cut(clean, (z, y, x))}


def pair_of(ct: Series, mr: Series, mr_from_ct: sitk.Transform) -> tuple[Pair, Sites]:
    """A pair on the CT's grid and where findings can be in it."""
    scaled = scale_volumes(ct, mr, mr_from_ct, WINDOW)
    hu = sitk.GetArrayFromImage(ct.image)[scaled.box].astype(np.float32)
    pair = Pair(hu, scaled.mr, ct.image.GetSpacing()[::-1])
    return pair, find_sites(hu, pair.spacing_mm, scaled.fov_mask)


def phantom_pair(seed: int) -> tuple[Pair, Sites]:
    """A phantom: each third noisy, each third of thick voxels."""
    phantom = make_phantom(seed, spacing_mm=2.0 if seed % 3 == 2 else 1.2)
    pair, sites = pair_of(phantom.ct, phantom.mr, phantom.mr_from_ct)
    if seed % 3 == 1:
        noise = np.random.default_rng([12, seed]).normal(0, EXTRA_NOISE_HU, pair.hu.shape)
        pair = replace(pair, hu=pair.hu + noise.astype(np.float32))
    return pair, sites


def vhf_pair(folder: Path) -> tuple[Pair, Sites]:
    """The Visible Human Female with its reference transform."""
    ct, mr = (read(next(folder.glob(f"*{name}*.nii*")), name.upper()) for name in ("ct", "mr"))
    mr_from_ct = sitk.ReadTransform(str(folder / "mr_to_ct_silver.tfm")).GetInverse()
    return pair_of(ct, mr, mr_from_ct)


@click.command()
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--phantoms", default=40, help="Number of phantoms, from seed 1 on.")
@click.option("--first", default=1, help="First seed.")
@click.option("--vhf", type=click.Path(path_type=Path), help="Folder of the Visible Human Female.")
def main(output: Path, phantoms: int, first: int, vhf: Path | None) -> None:
    """Write a file of samples for each head that has none yet."""
    output.mkdir(parents=True, exist_ok=True)
    names = [f"phantom{seed:03d}" for seed in range(first, first + phantoms)]
    for name in [*names, *(["vhf"] if vhf else [])]:
        path = output / f"{name}.pt"
        if path.exists():
            continue
        pair, sites = phantom_pair(int(name[7:])) if name != "vhf" else vhf_pair(Path(str(vhf)))
        part = path.with_suffix(".part")
        torch.save(list(samples_of(name, pair, sites)), part)
        part.rename(path)
        click.echo(name)


if __name__ == "__main__":
    main()
