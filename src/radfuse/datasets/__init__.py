"""Images to try radfuse with: a synthetic head phantom, which represents no real person."""

from pathlib import Path

from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import (
    DEFAULT_SEED,
    DEFAULT_SPACING_MM,
    Phantom,
    draw_layers,
    make_phantom,
)
from radfuse.phantom.uptake import FDG, HMPAO, Tracer, scan_uptake
from radfuse.series import Series

__all__ = ["phantom", "phantom_dicom", "phantom_pet", "phantom_spect"]


def phantom(seed: int = DEFAULT_SEED, *, spacing_mm: float = DEFAULT_SPACING_MM) -> Phantom:
    """Make CT and MR of a synthetic head, with labels and the true transform.

    Parameters
    ----------
    seed
        Which head; the same seed gives the same images.
    spacing_mm
        Pixel spacing of the CT, 0.6 to 6; 3.0 is fast and still resolves the skull.

    Raises
    ------
    InputError
        For a spacing outside this range.

    Examples
    --------
    >>> import radfuse
    >>> head = radfuse.datasets.phantom(spacing_mm=4.0)
    >>> head.ct
    <Series: CT, 52 x 62 x 42 voxels of 4 x 4 x 4.6 mm, no DICOM headers>
    """
    return make_phantom(seed, spacing_mm=spacing_mm)


def phantom_pet(seed: int = DEFAULT_SEED, *, spacing_mm: float = DEFAULT_SPACING_MM) -> Series:
    """Make an FDG-PET (Bq/ml) of the head of a seed, in the frame of its own scanner.

    `seed` and errors are those of `phantom`; `spacing_mm`, too: the voxels of the PET have 2 mm.

    Examples
    --------
    >>> import radfuse
    >>> radfuse.datasets.phantom_pet(spacing_mm=6.0).modality.unit
    'Bq/ml'
    """
    return _uptake(FDG, seed, spacing_mm)


def phantom_spect(seed: int = DEFAULT_SEED, *, spacing_mm: float = DEFAULT_SPACING_MM) -> Series:
    """Make a perfusion SPECT (HMPAO, counts) of the head of a seed, as `phantom_pet`.

    `seed` and errors are those of `phantom`; `spacing_mm`, too: the voxels of the SPECT have 4 mm.

    Examples
    --------
    >>> import radfuse
    >>> radfuse.datasets.phantom_spect(spacing_mm=6.0).modality.unit
    'counts'
    """
    return _uptake(HMPAO, seed, spacing_mm)


def phantom_dicom(
    folder: Path | str,
    seed: int = DEFAULT_SEED,
    *,
    spacing_mm: float = DEFAULT_SPACING_MM,
    overwrite: bool = False,
) -> tuple[Path, Path]:
    """Write CT and MR of a synthetic head as DICOM into folder/CT and folder/MR; return these.

    `seed`, `spacing_mm` and errors are those of `phantom`; raises `OutputError` where one of the
    folders has files, unless `overwrite`, or cannot be written to.

    Examples
    --------
    >>> import radfuse
    >>> ct, mr = radfuse.datasets.phantom_dicom("patient", spacing_mm=6.0)
    >>> radfuse.read(ct, "CT")
    <Series: CT, 35 x 41 x 29 voxels of 6 x 6 x 6.6 mm, 29 DICOM headers>
    """
    head = make_phantom(seed, spacing_mm=spacing_mm)
    return write_phantom(head, Path(folder), overwrite=overwrite)


def _uptake(tracer: Tracer, seed: int, spacing_mm: float) -> Series:
    return scan_uptake(draw_layers(seed, spacing_mm=spacing_mm), tracer, seed).series
