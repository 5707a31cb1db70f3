"""Names of the files of a BIDS derivative (Gorgolewski et al. 2016, 10.1038/sdata.2016.44)."""

import re
from pathlib import PurePosixPath

from radfuse.modality import MR, NM, PT

BIDS_VERSION = "1.9.0"

SUFFIXES = {"T1": "T1w", "T2": "T2w", "FLAIR": "FLAIR", PT.code: "pet", NM.code: "spect"}
"""Suffixes of images by their label; another MR has that of `OTHER_SUFFIX`."""

OTHER_SUFFIX = MR.code

ENHANCED = "ce-gadolinium"
"""Entity of an MR with a contrast agent."""

DATATYPES = {"pet": "pet"}
"""Folders of suffixes that do not belong into `anat`."""

NOT_IN_STANDARD = (
    "jobs.sqlite*",
    "cases.csv",
    "group.*",
    "logs/",
    "*.html",
    "dicom",  # the validator does not apply dicom/ to a folder in a folder
    "*_fused.*",
    "*_xfm.*",
    f"*_{OTHER_SUFFIX}.*",
    "*_spect.*",
)
"""Patterns of files of which the BIDS standard says nothing, yet; of `.bidsignore`."""


def alphanumeric(text: str) -> str:
    """A label of BIDS, which has letters and digits only."""
    return re.sub("[^A-Za-z0-9]", "", text)


def case_folder(case: str) -> PurePosixPath:
    """Folder of a patient, or of one session: `sub-01/ses-2`."""
    return PurePosixPath(*case.split("_"))


def dicom_path(case: str) -> PurePosixPath:
    """Folder of a result in DICOM, which is not in the standard."""
    return case_folder(case) / "dicom"


def fused_path(case: str, method: str) -> PurePosixPath:
    """Path of the fused image, relative to the root; `method` is a name or file of a method."""
    return _path(case, "space-CT", f"desc-{alphanumeric(PurePosixPath(method).stem)}", "fused")


def resampled_path(case: str, label: str) -> PurePosixPath:
    """Path of an image on the CT's grid, by its label, such as `T1_Gd`, `T2_2` or `PT`."""
    kind, *rest = label.split("_")
    number = next(filter(str.isdigit, rest), None)
    suffix = SUFFIXES.get(kind, OTHER_SUFFIX)
    entities = [
        *([f"acq-{kind}"] if suffix == OTHER_SUFFIX != kind else []),
        *([ENHANCED] if "Gd" in rest else []),
        *([f"run-{number}"] if number else []),
    ]
    return _path(case, *entities, "space-CT", "desc-resampled", suffix)


def transform_path(case: str, label: str) -> PurePosixPath:
    """Path of the transform that resamples an image onto the CT, as an ITK text file."""
    name = f"{case}_from-{alphanumeric(label)}_to-CT_mode-image_xfm.tfm"
    return case_folder(case) / "anat" / name


def mask_path(case: str) -> PurePosixPath:
    """Path of the mask of the MR field of view."""
    return _path(case, "space-CT", "desc-fov", "mask")


def sheet_path(case: str) -> PurePosixPath:
    """Path of the QA sheet: at the root, as the reports of fMRIPrep."""
    return PurePosixPath(f"{case}.html")


def result_patterns(case: str, method: str) -> tuple[str, ...]:
    """Patterns of all files of a result with their sidecars, relative to the root."""
    folder = case_folder(case)
    any_label, resampled = transform_path(case, "LABEL").stem, "space-CT_desc-resampled"
    return (
        str(sheet_path(case)),
        f"{sidecar_of(fused_path(case, method)).with_suffix('')}.*",
        f"{sidecar_of(mask_path(case)).with_suffix('')}.*",
        f"{folder}/anat/{any_label.replace('LABEL', '*')}.*",
        f"{folder}/*/{case}_{resampled}_*.*",
        f"{folder}/*/{case}_*_{resampled}_*.*",
    )


def sidecar_of(path: PurePosixPath) -> PurePosixPath:
    """Path of the JSON beside a file."""
    return path.with_name(f"{path.name.partition('.')[0]}.json")


def _path(case: str, *entities: str) -> PurePosixPath:
    folder = DATATYPES.get(entities[-1], "anat")
    return case_folder(case) / folder / f"{'_'.join((case, *entities))}.nii.gz"
