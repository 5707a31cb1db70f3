"""The images that documents name, as CT_FOLDER or ct.png: a synthetic phantom, made on demand."""

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from PIL import Image
from pydicom import Dataset
from pydicom.uid import generate_uid

from dicom_kit import change_all, put
from radfuse import fuse
from radfuse.dicom.rtstruct.write import write_structure_set
from radfuse.intensity import WINDOWS
from radfuse.phantom.dicom import write_functional, write_phantom, write_sequence
from radfuse.phantom.head import Phantom, draw_layers, make_phantom
from radfuse.phantom.tissues import Label
from radfuse.phantom.uptake import FDG, scan_uptake
from radfuse.pipeline.read import read
from radfuse.pipeline.volume import scale_volumes
from radfuse.service.users import Role, line_of
from radfuse.structures.label_maps import Structure

ROOT = Path(__file__).parents[1]

SPACING_MM = 4.0
"""Of the phantom: coarse, and registration QA passes."""

TOKEN = "of the proxy, or of a user"  # noqa: S105
"""Of a viewer."""

PATIENTS, SLICES, SIDE_PX = (2, 16, 20), (12, 18, 24), 64
"""Of pairs/CT and pairs/MRI."""


class Images:
    """Writes each image once, and copies it to where a document wants it."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache

    def provide(self, text: str, folder: Path) -> None:
        """Copy the images that commands name, and do not write, to a folder."""
        for name in named(text):
            made = self.path(name)
            (shutil.copytree if made.is_dir() else shutil.copy)(made, folder / name)

    def copy(self, name: str, folder: Path) -> None:
        """Copy a DICOM series to a folder that does not exist."""
        shutil.copytree(self.series(name), folder)

    def path(self, name: str) -> Path:
        """Where an image of this name is."""
        path = self._cache / name
        if not path.exists():
            MAKERS[name](self, path)
        return path

    def series(self, name: str) -> Path:
        """The folder of a DICOM series of the phantom: CT, MR, MR_FLAIR and so on, PT, PET_CT."""
        folder = self._cache / "dicom"
        if not folder.exists():
            write_series_of_all(folder)
        return folder / name


def write_series_of_all(folder: Path) -> None:
    """Write CT, MR, two further MR, a PET in the frame of the CT, and a CT of its scanner."""
    phantom = head()
    ct, _ = write_phantom(phantom, folder)
    roots = sitk.Sqrt(sitk.Cast(phantom.mr.image, sitk.sitkFloat32)) * 30
    for description in ("T1", "T2", "FLAIR"):
        write_sequence(phantom, replace(phantom.mr, image=roots), folder, description)
    layers = draw_layers(phantom.seed, spacing_mm=SPACING_MM)
    scan = scan_uptake(
        layers, FDG, phantom.seed, functional_from_ct=sitk.Euler3DTransform(), spacing_mm=4.0
    )
    pet = write_functional(phantom, scan.series, folder)
    frame = generate_uid()
    change_all(pet, put("FrameOfReferenceUID", frame))
    shutil.copytree(ct, folder / "PET_CT")
    series = generate_uid()

    def of_the_pet(header: Dataset) -> None:
        header.SeriesInstanceUID, header.FrameOfReferenceUID = series, frame
        header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = generate_uid()

    change_all(folder / "PET_CT", of_the_pet)


@cache
def head() -> Phantom:
    """The phantom of all images."""
    return make_phantom(spacing_mm=SPACING_MM)


Maker = Callable[[Images, Path], None]


def _copies(name: str) -> Maker:
    return lambda images, path: _copy(images.series(name), path)


def _copy(source: Path, path: Path) -> None:
    shutil.copytree(source, path)


def _study(images: Images, path: Path) -> None:
    for name in ("CT", "MR"):
        _copy(images.series(name), path / name)


def _patient(images: Images, path: Path) -> None:
    for name in ("CT", "MR"):
        _copy(images.series(name), path / name.lower())


def _both(images: Images, path: Path) -> None:
    """T1 and T2 in one folder, with the UIDs of the how-to."""
    path.mkdir()
    for number, name in enumerate(("MR_T1", "MR_T2"), start=1):
        series = path / name
        _copy(images.series(name), series)
        change_all(series, put("SeriesInstanceUID", f"1.2.3.{number}"))


def _volume(name: str) -> Maker:
    def write(images: Images, path: Path) -> None:
        del images
        phantom = head()
        if name == "PT":
            layers = draw_layers(phantom.seed, spacing_mm=SPACING_MM)
            image = scan_uptake(layers, FDG, phantom.seed, spacing_mm=4.0).series.image
        else:
            image = (phantom.ct if name == "CT" else phantom.mr).image
        sitk.WriteImage(image, path)

    return write


def _slice(name: str) -> Maker:
    def write(images: Images, path: Path) -> None:
        pair = images.path("pairs")
        source = pair / ("CT" if name == "CT" else "MRI") / f"16{SLICES[1]:03}.png"
        values = np.asarray(Image.open(source))
        Image.fromarray(values[::-1] if name == "PT" else values).save(path)

    return write


def _pairs(images: Images, path: Path) -> None:
    del images
    for patient in PATIENTS:
        phantom = make_phantom(patient, spacing_mm=SPACING_MM)
        scaled = scale_volumes(phantom.ct, phantom.mr, phantom.mr_from_ct, WINDOWS["fusion"])
        for kind, volume in (("CT", scaled.ct), ("MRI", scaled.mr)):
            (path / kind).mkdir(parents=True, exist_ok=True)
            for index in SLICES:
                levels = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
                values = np.rint(volume[index] * 255)[:SIDE_PX, :SIDE_PX]
                levels[: values.shape[0], : values.shape[1]] = values
                Image.fromarray(levels).save(path / kind / f"{patient}{index:03}.png")


def _mine(images: Images, path: Path) -> None:
    pairs = images.path("pairs")
    path.mkdir()
    for ct in (pairs / "CT").iterdir():
        both = [np.asarray(Image.open(one), float) for one in (ct, pairs / "MRI" / ct.name)]
        Image.fromarray(np.rint((both[0] + both[1]) / 2).astype(np.uint8)).save(path / ct.name)


def _labels(images: Images, path: Path) -> None:
    del images
    sitk.WriteImage(two_labels(head().labels), path)


def two_labels(labels: sitk.Image) -> sitk.Image:
    """A label map with the tumour as 1, and grey and white matter as 2."""
    values = sitk.GetArrayViewFromImage(labels)
    tumour = np.isin(values, (Label.TUMOUR, Label.NECROSIS))
    brain = np.isin(values, (Label.GREY, Label.WHITE))
    two = sitk.GetImageFromArray(np.select([tumour, brain], [1, 2], 0).astype(np.uint8))
    two.CopyInformation(labels)
    return two


def _structures(name: str) -> Maker:
    def write(images: Images, path: Path) -> None:
        phantom = head()
        series = read(images.series(name), name)
        mask = two_labels(phantom.labels if name == "CT" else phantom.labels_mr) == 1
        mask = sitk.Resample(mask, series.image, sitk.Transform(), sitk.sitkNearestNeighbor)
        write_structure_set(path, series, [Structure("GTVp", mask, (255, 0, 0))])

    return write


def _settings(images: Images, path: Path) -> None:
    """The settings in the how-to on benchmarks."""
    del images
    text = (ROOT / "docs/howto/benchmark.md").read_text(encoding="utf-8")
    path.write_text(re.findall(r"```toml\n(.*?)```", text, re.DOTALL)[0], encoding="utf-8")


def _fused(images: Images, path: Path) -> None:
    fuse(images.series("CT"), images.series("MR"), path)


def _data(images: Images, path: Path) -> None:
    """The folder `/data` of the how-to on the viewer."""
    _study(images, path / "patient-17")
    for name, series in (
        ("CT", "CT"), ("MR", "MR"), ("T1_Gd", "MR"), ("T2", "MR_T2"), ("PET", "PT"),
        ("PET_CT", "PET_CT"),
    ):  # fmt: skip
        _copy(images.series(series), path / name)


def _token(images: Images, path: Path) -> None:
    del images
    path.write_text(f"{TOKEN}\n", encoding="utf-8")


def _users(images: Images, path: Path) -> None:
    del images
    path.write_text(f"{line_of('anna', Role.OPERATOR, TOKEN)}\n", encoding="utf-8")


MAKERS: Mapping[str, Maker] = {
    "CT_FOLDER": _copies("CT"),
    "MR_FOLDER": _copies("MR"),
    "T1_FOLDER": _copies("MR"),
    "T2_FOLDER": _copies("MR_T2"),
    "FLAIR_FOLDER": _copies("MR_FLAIR"),
    "PET_FOLDER": _copies("PT"),
    "CT_OF_THE_PET": _copies("PET_CT"),
    "STUDY": _study,
    "STUDY_FOLDER": _study,
    "FOLDER": _study,
    "patient": _patient,
    "BOTH": _both,
    "CT": _copies("CT"),
    "T1": _copies("MR"),
    "FLAIR": _copies("MR_FLAIR"),
    "MR": _copies("MR"),
    "PET": _copies("PT"),
    "ct.nii.gz": _volume("CT"),
    "mr.nii.gz": _volume("MR"),
    "pet.nii.gz": _volume("PT"),
    "ct.png": _slice("CT"),
    "mr.png": _slice("MR"),
    "pet.png": _slice("PT"),
    "spect.png": _slice("PT"),
    "labels.nii.gz": _labels,
    "mr_images": lambda images, path: _copy(images.path("pairs") / "MRI", path),
    "pet_images": lambda images, path: _copy(images.path("pairs") / "CT", path),
    "pairs": _pairs,
    "mine": _mine,
    "results": lambda images, path: _copy(images.path("mine"), path / "ours"),
    "ours.toml": _settings,
    "OUT": _fused,
    "data": _data,
    "token": _token,
    "users": _users,
    "mr_rt.dcm": _structures("MR"),
    "first_rt.dcm": _structures("CT"),
    "reference_rt.dcm": _structures("CT"),
    "first.nii.gz": _labels,
    "reference.nii.gz": _labels,
}
"""How each image is written, by the name that documents use."""

NAMED_BY = {"ours.toml": ("results", "pairs")}
"""What the settings of a document name."""


def named(text: str) -> list[str]:
    """The names of images that commands read before they write them."""
    first: dict[str, bool] = {}
    for match in re.finditer(r"(-o |--output |mkdir )?(?<![\w./@-])([\w.]+)(?![\w@.-])", text):
        first.setdefault(match[2], match[1] is None)
    further = {one for name in first for one in NAMED_BY.get(name, ())}
    return [name for name in MAKERS if first.get(name) or name in further]
