"""Images in memory through the public functions: evaluate, register, several images."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

import radfuse
from radfuse.errors import InputError
from radfuse.phantom.head import Phantom
from radfuse.pipeline.result import Result

CT, MR = np.random.default_rng(1).integers(0, 256, (2, 48, 48), np.uint8)
FUSED = np.maximum(CT, MR)


def test_arrays_are_evaluated_as_their_files(tmp_path: Path) -> None:
    for name, levels in (("fused", FUSED), ("ct", CT), ("mr", MR)):
        Image.fromarray(levels).save(tmp_path / f"{name}.png")
    of_files = radfuse.evaluate(*(tmp_path / f"{name}.png" for name in ("fused", "ct", "mr")))
    of_levels = radfuse.evaluate(FUSED, CT, MR)
    of_reals = radfuse.evaluate(*(one / np.float32(255) for one in (FUSED, CT, MR)))
    assert of_levels[0].values == of_reals[0].values == of_files[0].values
    assert of_levels.means == of_levels[0].values


def test_the_result_of_2d_images_is_evaluated() -> None:
    result = radfuse.fuse(CT, MR, recipe=radfuse.Recipe(method="maximum"))
    assert radfuse.evaluate(result)[0].values == radfuse.evaluate(FUSED, CT, MR)[0].values


def test_a_volume_is_evaluated_as_its_file(
    phantom_folders: tuple[Path, Path], ladder: Result, tmp_path: Path
) -> None:
    written = ladder.save(tmp_path / "fused.nii.gz").written
    assert written is not None
    options: dict[str, Any] = {
        "metrics": ["MI", "slice_flicker"], "volume": radfuse.VolumeOptions(every=9),
    }  # fmt: skip
    of_file = radfuse.evaluate(written, *phantom_folders, **options)
    of_result = radfuse.evaluate(ladder, **options)
    assert [one.name for one in of_result] == [one.name for one in of_file]
    for one, other in zip(of_result, of_file, strict=True):
        assert one.values == pytest.approx(other.values, rel=1e-9)


def test_an_evaluation_is_a_table_in_a_notebook() -> None:
    found = radfuse.evaluate(FUSED, CT, MR, metrics=["MI", "SSIM"])
    assert repr(found) == "<Evaluation: 1 image, 2 metrics>"
    html = found._repr_html_()
    assert all(text in html for text in ("MI", "SSIM", f"{found.means['MI']:.4g}"))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ((FUSED,), "NoneType"),
        ((FUSED, CT, MR.astype(float)), "outside .0, 1."),
        ((FUSED, CT, "mr.png"), "an image of type str"),
        ((FUSED.astype(np.int32), CT, MR), "an image of type int32"),
        ((FUSED[:8], CT, MR), "one size"),
        (("fused.png",), "give a result alone"),
        (("fused.png", CT, MR), "give a result alone"),
        ((None, CT, MR), "give a result alone"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line(images: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        radfuse.evaluate(*images)
    assert "\n" not in str(caught.value)


def test_a_result_in_colour_is_not_evaluated() -> None:
    mr, pet = (radfuse.series_of(MR, code, value_range=(0, 255)) for code in ("MR", "PT"))
    with pytest.raises(InputError, match="a result in colour"):
        radfuse.evaluate(radfuse.fuse(mr, pet))


def test_a_result_is_evaluated_without_further_images() -> None:
    result = radfuse.fuse(CT, MR, recipe=radfuse.Recipe(method="maximum"))
    with pytest.raises(InputError, match="give a result alone"):
        radfuse.evaluate(result, CT, MR)


@pytest.mark.slow
def test_images_of_simpleitk_are_registered(quick_phantom: Phantom) -> None:
    stages: list[str] = []
    found = radfuse.register(
        quick_phantom.ct.image, quick_phantom.mr.image,
        initial=quick_phantom.mr_from_ct, report=lambda stage, _: stages.append(stage),
    )  # fmt: skip
    assert found.quality.grade == "pass"
    assert stages[0] == "reading"
    assert all(stage.startswith("registering: ") for stage in stages[1:])
    assert len(repr(found)) < 100
    resampled = found.resampled(quick_phantom.mr, quick_phantom.ct)
    assert resampled.image.GetSize() == quick_phantom.ct.image.GetSize()
    assert resampled.slice_headers == ()
    at_tumour = quick_phantom.ct.image.TransformPhysicalPointToIndex(quick_phantom.tumour_centre_mm)
    expected = sitk.Resample(
        quick_phantom.mr.image, quick_phantom.ct.image, quick_phantom.mr_from_ct
    )
    assert resampled.image[at_tumour] == pytest.approx(expected[at_tumour], rel=0.2)


Registered = Callable[[Phantom], radfuse.Registration]


@pytest.mark.parametrize(
    ("register", "message"),
    [
        (lambda one: radfuse.register(one.mr, one.mr), "a series of MR is given as CT"),
        (lambda one: radfuse.register(one.ct, one.ct), "a series of CT is given as MR"),
        (lambda _: radfuse.register(CT, MR), "2-D|volume"),
        (lambda one: radfuse.register(one.ct, one.mr, roi=Path("nonesuch.nii")), "no such mask"),
        (lambda _: radfuse.register("nonesuch", "nonesuch"), "no such file or folder"),
    ],
)
def test_what_cannot_be_registered_is_refused(
    register: Registered, message: str, coarse_phantom: Phantom
) -> None:
    with pytest.raises(InputError, match=message):
        register(coarse_phantom)


@pytest.mark.slow
def test_several_images_in_memory_are_fused(quick_phantom: Phantom) -> None:
    images = [quick_phantom.mr.image, quick_phantom.mr.image]
    result = radfuse.fuse_study(quick_phantom.ct.image, images, fused_mr=0)
    assert [one.label for one in result.further] == ["MR_2"]
