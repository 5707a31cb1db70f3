from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import SimpleITK as sitk

from radfuse.registration.search import register


@pytest.fixture(scope="session")
def bench(measurements: ModuleType, shared: Path):
    for needed in ("real/3d_vhf", "real/3d_templates", "real/dicom_head"):
        if not (shared / "data" / needed).is_dir():
            pytest.skip(f"real data is missing: no folder {shared / 'data' / needed}")
    return measurements.Bench(shared / "data")


@pytest.mark.slow
def test_the_vhf_is_within_1_mm_of_its_silver_truth(measurements: ModuleType, bench):
    ct, mr, truth, points = measurements.known(bench, ("vhf", "vhf"))
    found = register(ct, mr)
    assert measurements.error_mm(found.mr_from_ct, truth, points) < 1.0
    assert found.quality.passed


@pytest.mark.slow
def test_forty_random_poses_of_the_vhf_register_or_fail_qa(measurements: ModuleType, bench):
    ct, mr, truth, points = measurements.known(bench, ("vhf", "vhf"))
    rng = np.random.default_rng(40)
    near = 0
    for _ in range(40):
        motion = measurements.random_motion(rng)
        found = register(ct, measurements.moved(mr, motion))
        target = sitk.CompositeTransform([motion, truth])
        error_mm = measurements.error_mm(found.mr_from_ct, target, points)
        assert error_mm <= 2 or not found.quality.passed
        near += error_mm <= 2
    assert near >= 38


@pytest.mark.slow
@pytest.mark.parametrize(
    "names",
    [
        ("vhf", "spm"),
        ("vhf", "gammaknife"),
        ("vhf", "colin"),
        ("vhf", "phantom1"),
        ("vhf", "vhf mirrored"),
        ("vhf", "vhf +3%"),
        ("scct", "vhf"),
        ("scct", "spm"),
        ("scct", "colin"),
        ("phantom1", "vhf"),
        ("phantom1", "phantom2"),
        ("vhf upper", "vhf"),
    ],
    ids=" with ".join,
)
def test_qa_fails_for_the_mr_of_another_person(bench, names):
    assert not register(bench.ct(names[0]), bench.mr(names[1])).quality.passed
