"""Manual registration through REST: landmarks, a matrix, and refused requests."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.testing import assert_allclose
from service_kit import Site, refused

from radfuse.phantom.head import Phantom
from radfuse.pipeline.align import MANUAL, PriorAlignment, align
from radfuse.progress import no_progress
from radfuse.recipe import Recipe
from radfuse.record import read_record
from radfuse.registration.landmarks import fit_landmarks
from radfuse.registration.transforms import matrix_of
from radfuse.service.jobs.fusion import JobSpec, fuse_study
from radfuse.service.stores.studies import Studies
from radfuse.service.stores.view_volumes import matrix_rows

ON_THE_HEAD = [(0.0, -85.0, 10.0), (65.0, 0.0, 0.0), (-65.0, 5.0, 5.0)]
ORIGIN = np.eye(4).tolist()


def points(phantom: Phantom) -> list[tuple[float, float, float]]:
    """Three points around the middle of the CT."""
    size = phantom.ct.image.GetSize()
    middle = phantom.ct.image.TransformContinuousIndexToPhysicalPoint([n / 2 for n in size])
    return [tuple(np.add(middle, offset)) for offset in ON_THE_HEAD]


def error_mm(phantom: Phantom, transform: sitk.Transform) -> float:
    """Largest error of a transform at three points of the head."""
    truth = phantom.mr_from_ct
    return max(
        float(np.linalg.norm(np.subtract(transform.TransformPoint(at), truth.TransformPoint(at))))
        for at in points(phantom)
    )


def test_landmarks_give_a_matrix_and_an_error_per_pair(
    site: Site, prepared: str, phantom: Phantom
) -> None:
    pairs = [{"ct": at, "image": phantom.mr_from_ct.TransformPoint(at)} for at in points(phantom)]
    fit = site.client.post(
        f"/api/v1/studies/{prepared}/landmarks/fit", json={"pairs": pairs}
    ).json()
    assert_allclose(fit["image_from_ct"], matrix_of(phantom.mr_from_ct), atol=1e-6)
    assert_allclose(fit["errors_mm"], [0, 0, 0], atol=1e-6)
    assert fit["rms_mm"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("pairs", "status", "words"),
    [
        ([], 400, "0 pairs of landmarks; a pose needs at least 3"),
        ([{"ct": [0, 0, z], "image": [0, 0, z]} for z in (0, 50, 90)], 400, "of one line or point"),
        ([{"ct": [0, 0], "image": [0, 0, 0]}], 422, "pairs.0.ct"),
        ([{"ct": [0, 0, 1e300], "image": [0, 0, 0]}], 422, "pairs.0.ct.2"),
    ],
)
def test_insufficient_landmarks_are_refused(
    site: Site, prepared: str, pairs: list[Any], status: int, words: str
) -> None:
    answer = site.client.post(f"/api/v1/studies/{prepared}/landmarks/fit", json={"pairs": pairs})
    refused(answer, status, words)


def test_search_from_three_inexact_landmarks_succeeds(phantom: Phantom) -> None:
    clicks = np.random.default_rng(7).normal(0, 2 / np.sqrt(3), (3, 3))
    ct = points(phantom)
    mr = np.array([phantom.mr_from_ct.TransformPoint(at) for at in ct]) + clicks
    rough = fit_landmarks(ct, mr.tolist()).mr_from_ct
    found = align(
        phantom.ct, phantom.mr, Recipe(), lambda _: None, PriorAlignment(rough, MANUAL, refine=True)
    )
    assert found.origin == "manual, refined"
    assert error_mm(phantom, found.mr_from_ct) < 1.0


def far_off(phantom: Phantom) -> np.ndarray:
    """A registration that fails QA."""
    off = matrix_of(phantom.mr_from_ct)
    off[:3, 3] += 25
    return off


def test_failed_registration_is_shown_and_better_one_accepted(
    site: Site, asked: dict[str, Any], phantom: Phantom
) -> None:
    off = far_off(phantom)
    identifier = site.make(**asked)
    kind, facts = site.fuse(identifier, mr_from_ct=off.tolist(), refine=False)[-1]
    assert (kind, facts["state"]) == ("error", "failed")
    assert facts["error"].startswith("registration QA FAILED: estimated error")
    for remedy in ("register manually", "landmark pairs", "check that the series", "accept it"):
        assert remedy in facts["error"]
    assert "--" not in facts["error"]
    assert_allclose(facts["mr_from_ct"], off, atol=1e-5)
    study, view = site.study(identifier), site.view(identifier)
    assert (study["state"], study["message"]) == ("ready", facts["error"])
    assert study["outcome"] is None
    assert view["alignment"] == "qa_failed"
    assert_allclose(view["mr_from_ct"], off, atol=1e-5)
    matrix, folder = matrix_of(phantom.mr_from_ct), site.folder / "studies" / identifier
    studies = Studies(site.folder)
    run = fuse_study(
        folder, studies.get(identifier),
        JobSpec("fuse", mr_from_ct=matrix_rows(matrix), refine=False), no_progress,
    )  # fmt: skip
    assert site.view(identifier)["fused"] is None  # it is written, but not shown yet
    outcome = studies.finish_job(identifier, "failed", "", run=run).outcome
    assert outcome is not None
    assert (outcome.alignment, outcome.qa_passed) == ("manual", True)
    view = site.view(identifier)
    assert view["alignment"] == "manual"
    assert view["fused"] is not None
    assert_allclose(view["mr_from_ct"], matrix, atol=1e-5)
    record = read_record(site.run_of(identifier) / outcome.record)
    assert record.registration is not None
    assert record.registration["origin"] == "manual"
    assert record.registration["id"] == outcome.registration_id
    assert record.recipe.transform is None


def test_failed_registration_is_accepted_in_one_fusion_only(
    site: Site, asked: dict[str, Any], coarse_phantom: Phantom, coarse_folders: tuple[Path, Path]
) -> None:
    off = far_off(coarse_phantom)
    ct, mr = map(str, coarse_folders)
    identifier = site.make(**{**asked, "ct": ct, "mr": mr})
    request = {"mr_from_ct": off.tolist(), "refine": False}
    kind, facts = site.fuse(identifier, **request, accept_registration=True)[-1]
    assert kind == "done"
    assert not facts["outcome"]["qa_passed"]
    study, view = site.study(identifier), site.view(identifier)
    assert not study["recipe"]["accept_registration"]
    record = read_record(site.run_of(identifier) / study["outcome"]["record"])
    assert record.recipe.accept_registration
    kind, facts = site.fuse(identifier, **request)[-1]
    assert kind == "error"
    assert facts["error"].startswith("registration QA FAILED")
    assert site.study(identifier)["outcome"] == study["outcome"]
    assert site.view(identifier) == view


@pytest.mark.parametrize(
    ("run", "status", "words"),
    [
        ({"mr_from_ct": np.diag([1.1, 1, 1, 1]).tolist()}, 400, "mr_from_ct is not rigid: it sca"),
        ({"mr_from_ct": np.diag([-1, 1, 1, 1]).tolist()}, 400, "mirrors left and right"),
        ({"mr_from_ct": np.diag([1, 1, 1, 2]).tolist()}, 400, "its last row must be 0 0 0 1"),
        ({"mr_from_ct": np.diag([1e300, 1, 1, 1]).tolist()}, 422, "mr_from_ct"),
        ({"mr_from_ct": np.eye(3).tolist()}, 422, "mr_from_ct"),
        ({"mr_from_ct": ORIGIN, "keep_registration": True}, 422, "keep_registration or mr_from_ct"),
    ],
)
def test_matrix_that_is_not_rigid_is_refused(
    site: Site, prepared: str, run: dict[str, Any], status: int, words: str
) -> None:
    refused(site.client.post(f"/api/v1/studies/{prepared}/fuse", json=run), status, words)
