"""Heads and recipes for batches on a cluster."""

from pathlib import Path

from radfuse.io.volumes import write_volume
from radfuse.phantom.head import make_phantom
from radfuse.recipe import Recipe

QUICK = Recipe(method="average", register_rigidly=False, accept_registration=True)
"""No search."""


def write_heads(folder: Path, count: int, spacing_mm: float = 6.0) -> Path:
    """The table of some synthetic phantoms, which are beside it."""
    rows = ["id,ct,mr"]
    for seed in range(1, count + 1):
        phantom = make_phantom(seed, spacing_mm=spacing_mm)
        write_volume(folder / f"ct{seed}.nii.gz", phantom.ct.image)
        write_volume(folder / f"mr{seed}.nii.gz", phantom.mr.image)
        rows.append(f"{seed},ct{seed}.nii.gz,mr{seed}.nii.gz")
    table = folder / "patients.csv"
    table.write_text("\n".join(rows) + "\n")
    return table
