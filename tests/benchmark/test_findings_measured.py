"""What is measured of findings in bases: copies, printed slices, failures, resumption, tiles."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from findings_kit import SIDE, printed_head

from radfuse.benchmark.case import Case, Sources
from radfuse.benchmark.findings.base import PRINTED_WINDOW, Base, base_of, fuse_pair, levels
from radfuse.benchmark.findings.measure import FindingsRun, check_kinds
from radfuse.benchmark.findings.placement import TILE_MM, Placement
from radfuse.benchmark.findings.results import FindingsResults
from radfuse.benchmark.load_cases import find_cases
from radfuse.benchmark.settings import BenchmarkSettings
from radfuse.errors import InputError
from radfuse.intensity import Window
from radfuse.methods.loading import Method, load_method
from radfuse.modality import CT, MR
from radfuse.phantom.findings import CT_TARGET, KINDS, MR_TARGET

COPIES = {CT: "copy_ct", MR: "copy_mr"}


def load(name: str, window: Window | None) -> Method:
    return load_method(name, window=window)


def run_of(folder: Path, *names: str, kinds: tuple[str, ...] = tuple(KINDS)) -> FindingsRun:
    return FindingsRun(folder, kinds, (201, 202), {name: partial(load, name) for name in names})


@pytest.fixture(scope="module")
def phantom_case() -> tuple[Case, Sources]:
    settings = BenchmarkSettings(phantoms=(201,), phantom_spacing_mm=3.0)
    (case,) = find_cases(settings)
    return case, case.load()


@pytest.fixture(scope="module")
def printed() -> tuple[Case, Sources]:
    ct, mr = (image[None] / np.float32(255) for image in printed_head())
    sources = Sources(ct, mr)
    return Case("1001", "1", "", lambda: sources), sources


def measured(run: FindingsRun, case: tuple[Case, Sources]) -> FindingsResults:
    """Measure what is missing; the results."""
    for left in run.waiting([case[0].name]).values():
        run.measure(*case, left, not_failed)
    return run.collect([case[0].name])


def not_failed(name: str, error: Exception) -> None:
    raise error


def test_a_copy_keeps_what_its_source_alone_shows(
    phantom_case: tuple[Case, Sources], printed: tuple[Case, Sources], tmp_path: Path
) -> None:
    """The CT's copy shows the fusion window of a phantom, in which little is visible."""
    for name, (case, sources) in (("phantom", phantom_case), ("printed", printed)):
        run = run_of(tmp_path / name, *COPIES.values())
        run.folder.mkdir()
        rows = measured(run, (case, sources)).rows
        assert len(rows) > 20
        for row in rows.itertuples():
            own = COPIES[KINDS[row.kind].source] == row.method
            if own and (name == "printed" or row.method == "copy_mr"):
                assert row.kept >= 1 - 1e-9
                assert row.contrast == row.reference
            elif not own and KINDS[row.kind].shape != "void":
                assert row.kept == row.contrast == 0
            elif not own:
                assert row.verdict == "inverted"
            assert row.spill == 0
        guards = run.collect([case.name]).guards
        assert (guards["specks"] == 0).all()
        assert (guards["overshoot"] == 0).all()
        assert guards["flicker"].isna().all() == (name == "printed")
        if name == "phantom":
            assert (guards["flicker"] == 0).all()


def test_the_reference_is_the_window_that_shows_it_best(phantom_case: tuple[Case, Sources]) -> None:
    case, sources = phantom_case
    placement = Placement.draw(base_of(case.name, case.patient, sources), tuple(KINDS), 201)
    widths = {one.finding.kind: one.window.width for one in placement.placed}
    assert widths["haemorrhage"] == 80
    assert widths["lytic hole"] == widths["fracture"] == 2500
    references = {one.finding.kind: one.reference.contrast for one in placement.placed}
    assert references["haemorrhage"] > 80
    assert references["lytic hole"] < -30


def test_a_printed_slice_is_fused_as_it_is(printed: tuple[Case, Sources]) -> None:
    case, sources = printed
    base = base_of(case.name, case.patient, sources)
    assert base.is_printed
    assert base.displays == (base.window,) == (PRINTED_WINDOW,)
    np.testing.assert_array_equal(levels(base.window.scale(base.pair.hu)), levels(sources.ct))
    fused = base.fuse(partial(load, "bone_blend"), base.pair)
    expected = levels(load_method("bone_blend")(sources.ct, sources.mr))
    assert np.abs(fused.astype(int) - expected).max() <= 1


def test_outside_the_field_of_view_is_the_ct(phantom_case: tuple[Case, Sources]) -> None:
    case, sources = phantom_case
    assert sources.fov_mask is not None
    mask = sources.fov_mask.copy()
    mask[: len(mask) // 2] = False
    base = base_of(case.name, case.patient, replace(sources, fov_mask=mask))
    fused = base.fuse(partial(load, "copy_mr"), base.pair)
    np.testing.assert_array_equal(fused, np.where(mask, levels(sources.mr), levels(sources.ct)))


def test_hu_of_a_case_are_those_of_its_window(phantom_case: tuple[Case, Sources]) -> None:
    sources = phantom_case[1]
    assert sources.hu is not None
    assert sources.window is not None
    np.testing.assert_array_equal(sources.window.scale(sources.hu), sources.ct)
    assert sources.hu.min() < -900
    assert sources.spacing_mm == (3.6, 3.0, 3.0)


def test_slices_are_fused_in_batches_alike(phantom_case: tuple[Case, Sources]) -> None:
    case, sources = phantom_case
    base = base_of(case.name, case.patient, sources)
    method = load_method("laplacian")
    fused = fuse_pair(method, base.pair, base.window)
    np.testing.assert_allclose(fused, method(sources.ct, sources.mr), atol=1e-6)


def test_a_seed_and_a_case_decide_the_positions(printed: tuple[Case, Sources]) -> None:
    base = base_of("a", "a", printed[1])
    first, _ = base.with_findings(KINDS, 201)
    for other, seed in ((base, 202), (replace(base, name="b"), 201)):
        assert (other.with_findings(KINDS, seed)[0].hu != first.hu).any()
    np.testing.assert_array_equal(base.with_findings(KINDS, 201)[0].hu, first.hu)


def test_a_failing_method_affects_no_other(printed: tuple[Case, Sources], tmp_path: Path) -> None:
    def broken(window: Window | None) -> Method:
        raise InputError("no graph")

    def only_whole(window: Window | None) -> Method:
        calls.append(1)
        if len(calls) > 1:
            raise ValueError("second call")
        return load("average", window)

    calls: list[int] = []
    failures = []
    methods = {"broken": broken, "once": only_whole, "average": partial(load, "average")}
    run = FindingsRun(tmp_path, ("haemorrhage",), (201,), methods)
    left = run.waiting(["1001"])["1001"]
    run.measure(*printed, left, lambda name, error: failures.append((name, str(error))))
    assert failures == [("broken", "no graph"), ("once", "second call")]
    found = run.collect(["1001"])
    assert set(found.rows["method"]) == {"average"} == set(found.measured_methods)
    assert set(found.guards["method"]) == {"average", "once"}
    assert run.waiting(["1001"]) == {"1001": {"broken": ([201], True), "once": ([201], False)}}


def test_a_stopped_run_measures_only_what_is_missing(
    printed: tuple[Case, Sources], tmp_path: Path
) -> None:
    run = run_of(tmp_path, "average", "maximum")
    measured(run, printed)
    assert run.waiting(["1001"]) == {}
    whole = run.rows.path.read_text().splitlines()
    marked = whole[1].replace(",0.0", ",0.125")
    run.rows.path.write_text("\n".join([whole[0], marked, *whole[2:-3]]))
    run.recover()
    assert run.waiting(["1001"]) == {"1001": {"maximum": ([202], True)}}
    measured(run, printed)
    again = run.rows.path.read_text().splitlines()
    assert again[1] == marked
    assert sorted(again[2:]) == sorted(whole[2:])


def test_tiles_are_centred_on_the_findings(printed: tuple[Case, Sources], tmp_path: Path) -> None:
    run = run_of(tmp_path, "copy_mr")
    found = measured(run, printed)
    for kind in ("clip", "haemorrhage", "metastasis"):
        source = "mr" if kind in MR_TARGET else "ct"
        tile = found.tile(source, "1001", 201, kind)
        other = found.tile("ct" if source == "mr" else "mr", "1001", 201, kind)
        assert tile is not None
        assert other is not None
        assert tile.shape == (TILE_MM + 1, TILE_MM + 1)
        middle = (slice(27, 30),) * 2
        assert tile[middle].mean() > 40 + np.median(tile[10:40, 10:40])
        assert abs(other[middle].mean() - np.median(other[10:40, 10:40])) < 10
        np.testing.assert_array_equal(
            found.tile("copy_mr", "1001", 201, kind), found.tile("mr", "1001", 201, kind)
        )
    assert found.tile("copy_ct", "1001", 201, "clip") is None


def test_a_tile_at_the_border_is_black_outside() -> None:
    ct, mr = (np.full((1, SIDE, SIDE), level, np.float32) for level in (112 / 255, 0.5))
    base = base_of("flat", "flat", Sources(ct, mr))
    for seed in range(40):
        placement = Placement.draw(base, ("clip",), seed)
        (one,) = placement.placed
        tile = placement.ct_tiles()["clip"]
        assert tile.shape == (TILE_MM + 1, TILE_MM + 1)
        assert tile[28, 28] == 255
        rows = one.box[1].start + np.argwhere(one.finding.lesion[0])[:, 0].mean()
        assert (tile[0] == 0).all() == (round(rows) < 28)


def test_unknown_kinds_are_refused_with_the_list() -> None:
    with pytest.raises(InputError, match="no kind of finding 'tumour'; there are calcification"):
        check_kinds(("clip", "tumour"))
    assert check_kinds(("clip", "air", "clip")) == ("clip", "air")
    assert check_kinds(()) == tuple(KINDS)
    assert set(CT_TARGET) | set(MR_TARGET) < set(KINDS)


def test_findings_of_a_printed_slice_are_inside_the_skull(printed: tuple[Case, Sources]) -> None:
    """The air around the head is as black as fluid, and larger than the brain."""
    wide = [np.pad(image, ((0, 0), (90, 90), (90, 90))) for image in (printed[1].ct, printed[1].mr)]
    base = base_of("wide", "wide", Sources(*wide))
    _, found = base.with_findings(KINDS, 201)
    assert len(found) > 10
    middle = np.array(base.pair.hu.shape[1:]) // 2
    for one in found:
        at = np.argwhere(one.lesion)[:, 1:] + [part.start for part in one.box[1:]]
        assert np.hypot(*(at - middle).T).max() < 82


def test_a_base_without_room_has_no_rows(tmp_path: Path) -> None:
    air = Sources(*np.zeros((2, 1, 40, 40), np.float32))
    run = run_of(tmp_path, "average")
    found = measured(run, (Case("air", "air", "", lambda: air), air))
    assert found.rows.empty
    assert isinstance(base_of("air", "air", air), Base)
