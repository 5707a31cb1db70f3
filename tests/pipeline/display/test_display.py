"""Results as arrays, as one line and as HTML; saving; showing in a notebook or a web browser."""

import base64
import io
import re
import sys
import threading
import urllib.error
import urllib.request
import webbrowser
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from numpy.testing import assert_allclose
from PIL import Image

import radfuse
from radfuse.dicom.write.fused import FULL_SCALE
from radfuse.errors import InputError, OutputError
from radfuse.phantom.head import Phantom
from radfuse.pipeline.display.bars import reporting
from radfuse.pipeline.display.browser import show_html
from radfuse.pipeline.display.planes import PLANES, volume_panels
from radfuse.pipeline.result import Result
from radfuse.recipe import DEFAULT_WINDOW
from radfuse.record import NOTICE


@pytest.fixture(scope="module")
def result(phantom: Phantom, given: radfuse.Recipe) -> Result:
    return radfuse.fuse(phantom.ct, phantom.mr, recipe=given)


@pytest.fixture(scope="module")
def image_result() -> Result:
    ct, mr = np.random.default_rng(1).integers(0, 256, (2, 40, 56), np.uint8)
    return radfuse.fuse(ct, mr, recipe=radfuse.Recipe(method="maximum"))


@pytest.fixture(scope="module")
def colour_result() -> radfuse.ColourResult:
    y, x = np.mgrid[:40, :56]
    levels = np.hypot(y - 20, x - 28) / 40
    return radfuse.fuse(
        *(radfuse.series_of(levels, one, value_range=(0, 1)) for one in ("MR", "PT"))
    )


def test_a_volume_is_an_array_with_its_geometry(result: Result, tmp_path: Path) -> None:
    assert result.fused.dtype == np.float32
    assert_allclose(result.fused * FULL_SCALE, sitk.GetArrayFromImage(result.image), atol=1e-3)
    assert result.spacing_mm == result.ct.image.GetSpacing()
    assert_allclose(result.affine, result.ct.affine)
    written = result.save(tmp_path / "fused.nii.gz").written
    assert_allclose(nibabel.load(written).affine, result.affine, atol=1e-5)


def test_a_2d_image_is_an_array_without_geometry(
    image_result: Result, colour_result: radfuse.ColourResult
) -> None:
    assert image_result.fused.shape == (40, 56)
    assert colour_result.fused.shape == (40, 56, 3)
    for one in (image_result, colour_result):
        assert (one.spacing_mm, one.affine) == ((), None)
        assert one.registration_qa == "2-D images are not registered"


def test_the_array_of_a_result_is_a_copy(
    image_result: Result, colour_result: radfuse.ColourResult
) -> None:
    for one in (image_result, colour_result):
        before = one.fused
        one.fused[:] = -1
        assert np.array_equal(one.fused, before)


def test_results_are_one_line(
    result: Result, image_result: Result, colour_result: radfuse.ColourResult
) -> None:
    assert re.fullmatch(
        r"<Result: CT and MR fused by bone_blend, 52 x 62 x 42, QA passed, error up to \d\.\d mm>",
        repr(result),
    )
    assert repr(image_result) == "<Result: CT and MR fused by maximum, 56 x 40>"
    assert repr(colour_result) == "<ColourResult: MR and PT fused by uptake_over_mr, 56 x 40>"
    assert "\n" not in repr(result.record) + repr(result.alignment) + repr(result.ct)


def test_a_failed_registration_is_named_in_the_line(phantom: Phantom, tmp_path: Path) -> None:
    sitk.WriteTransform(sitk.TranslationTransform(3, (0, 0, 60)), tmp_path / "off.tfm")
    recipe = radfuse.Recipe(
        transform=tmp_path / "off.tfm", accept_registration=True, method="average"
    )
    off = radfuse.fuse(phantom.ct, phantom.mr, recipe=recipe)
    assert repr(off).endswith(", QA FAILED>")
    assert "registration QA FAILED" in off._repr_html_()


def test_the_name_of_a_long_file_is_shortened(result: Result) -> None:
    facts = {**result.record.method, "name": f"{'network' * 20}.onnx"}
    record = result.record.model_copy(update={"method": facts})
    line = repr(Result(result.image, result.ct, result.mr, record, result.alignment, result.region))
    assert len(line) < 110
    assert "...kn" not in line
    assert ".onnx," in line


class Parsed(HTMLParser):
    """Images with their alternative texts, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.images.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


def pixels(url: str | None) -> np.ndarray:
    assert url is not None
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))))


def test_html_has_three_planes_quality_and_findings(result: Result) -> None:
    html = Parsed(result._repr_html_())
    assert [str(one["alt"]).partition(":")[0] for one in html.images] == list(PLANES)
    assert result.registration_qa in html.text
    assert result.findings in html.text
    assert NOTICE in html.text
    assert all(pixels(one["src"]).max() > 200 for one in html.images)


def test_html_of_a_2d_image_has_the_image(
    image_result: Result, colour_result: radfuse.ColourResult
) -> None:
    for one, shape in ((image_result, (256, 358)), (colour_result, (256, 358, 3))):
        html = Parsed(one._repr_html_())
        assert [pixels(image["src"]).shape for image in html.images] == [shape]
        assert "not measured for" in html.text


@pytest.mark.parametrize(
    ("options", "is_measured"),
    [({"graph": "fast"}, True), ({"graph": "fast", "precision": "bf16"}, False)],
)
def test_findings_hold_for_a_fast_graph_and_no_other_option(
    result: Result, options: dict[str, str], is_measured: bool
) -> None:
    values = {"method": "res2fusion", "window": DEFAULT_WINDOW, "options": options}
    recipe = result.record.recipe.model_copy(update=values)
    record = result.record.model_copy(update={"recipe": recipe})
    changed = Result(result.image, result.ct, result.mr, record, result.alignment, result.region)
    assert ("not measured" not in changed.findings) == is_measured


def test_html_escapes_what_a_record_quotes(result: Result) -> None:
    record = result.record.model_copy(update={"warnings": ("<script>alert(1)</script>",)})
    changed = Result(result.image, result.ct, result.mr, record, result.alignment, result.region)
    assert "<script" not in changed._repr_html_()
    assert "<script>alert(1)</script>" in Parsed(changed._repr_html_()).text


def test_planes_show_the_patient_left_on_the_right() -> None:
    values = np.zeros((20, 30, 40), np.uint16)
    values[15:, :8, 33:] = 4095  # superior, anterior, left
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((1.0, 1.0, 2.0))
    at_mark = volume_panels(image, 4095, (36, 4, 17))
    for panel, corner in zip(at_mark, ("right top", "right top", "left top"), strict=True):
        across, down = (slice(-20, None) if "right" in corner else slice(20)), slice(20)
        shown = pixels(panel.url)
        assert shown[down, across].mean() > 100
        assert shown.mean() < 60
    sizes = [pixels(panel.url).shape for panel in at_mark]
    assert sizes == [(192, 256), (256, 256), (256, 192)]


@pytest.mark.parametrize("axes", ["RAI", "PSL", "ASR"])
def test_planes_do_not_depend_on_how_voxels_are_stored(axes: str, result: Result) -> None:
    stored = sitk.DICOMOrient(result.image, axes)
    point = result.image.TransformIndexToPhysicalPoint((25, 30, 20))
    first = volume_panels(result.image, FULL_SCALE, (25, 30, 20))
    second = volume_panels(stored, FULL_SCALE, stored.TransformPhysicalPointToIndex(point))
    for one, other in zip(first, second, strict=True):
        assert (one.name, one.sides) == (other.name, other.sides)
        assert np.array_equal(pixels(one.url), pixels(other.url))


@pytest.mark.slow
def test_saving_writes_what_fusing_with_an_output_writes(
    pair: tuple[radfuse.Series, radfuse.Series], given: radfuse.Recipe, ladder: Result,
    tmp_path: Path,
) -> None:  # fmt: skip
    saved = radfuse.fuse(*pair, recipe=given).save(tmp_path / "out")
    assert saved.written is not None
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert ladder.written is not None
    assert names == {path.name for path in ladder.written.parent.iterdir()}
    assert [one.role for one in saved.record.outputs] == [one.role for one in ladder.record.outputs]


def test_saving_replaces_only_what_it_may(
    image_result: Result, colour_result: radfuse.ColourResult, tmp_path: Path
) -> None:
    for number, one in enumerate((image_result, colour_result)):
        path = tmp_path / f"{number}.png"
        assert one.save(path).written == path
        with pytest.raises(OutputError, match="exists"):
            one.save(path)
        assert one.save(str(path), overwrite=True).written == path
        with pytest.raises(InputError, match="png"):
            one.save(tmp_path / "fused.nii.gz")


def test_a_colour_result_never_replaces_its_source(tmp_path: Path) -> None:
    levels = np.add.outer(np.arange(40), np.arange(40)).astype(np.uint8)
    for name in ("mr", "pet"):
        Image.fromarray(levels).save(tmp_path / f"{name}.png")
    one = radfuse.fuse(*(radfuse.read(tmp_path / f"{name}.png", code)
                         for name, code in (("mr", "MR"), ("pet", "PT"))))  # fmt: skip
    with pytest.raises(OutputError):
        one.save(tmp_path / "mr.png", overwrite=True)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "mr.png")), levels)


def test_a_browser_gets_the_document_only_at_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[bytes] = []
    threads: list[threading.Thread] = []

    def fetch(url: str) -> None:
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(url[:-3])  # noqa: S310  # our own server
        with urllib.request.urlopen(url) as answer:  # noqa: S310
            got.append(answer.read())

    def opened(url: str) -> bool:
        threads.append(threading.Thread(target=fetch, args=(url,)))
        threads[-1].start()
        return True

    monkeypatch.setattr(webbrowser, "open", opened)
    show_html("Title", "<p>shown</p>")
    threads[0].join()
    assert b"<title>Title</title>" in got[0]
    assert b"<p>shown</p>" in got[0]


@pytest.mark.parametrize("starts", [True, False])
def test_no_browser_is_one_line(starts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda _: starts)
    with pytest.raises(OutputError, match="show the result in a notebook, or save it"):
        show_html("Title", "<p>shown</p>", wait_s=0.05)


class Notebook:
    """A kernel that remembers what it displays: stands for IPython, which is not installed."""

    kernel = True

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shown: list[dict[str, str]] = []
        ipython, display = ModuleType("IPython"), ModuleType("IPython.display")
        ipython.get_ipython = lambda: self  # type: ignore[attr-defined]
        display.display = self.display  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "IPython", ipython)
        monkeypatch.setitem(sys.modules, "IPython.display", display)

    def display(self, bundle: dict[str, str], *, raw: bool, **_: Any) -> "Notebook":
        assert raw
        self.shown.append(bundle)
        return self

    update = display


def test_a_notebook_shows_results_and_progress(
    image_result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = Notebook(monkeypatch)
    image_result.show()
    assert notebook.shown[-1] == {
        "text/html": image_result._repr_html_(), "text/plain": "CT and MR fused by maximum",
    }  # fmt: skip
    radfuse.fuse(image_result.ct, image_result.mr, recipe=image_result.record.recipe)
    texts = [one["text/plain"] for one in notebook.shown[1:]]
    assert texts == ["", "reading", "fusing", ""]


def test_progress_in_a_notebook_is_in_whole_percents(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = Notebook(monkeypatch)
    with reporting(None) as report:
        for step in range(1000):
            report("fusing", step / 1000)
    assert len(notebook.shown) == 103
    assert notebook.shown[50]["text/plain"] == "fusing, 49 %"
    assert 'value="49"' in notebook.shown[50]["text/html"]
    with reporting(False) as report:
        report("fusing", 0.5)
    assert len(notebook.shown) == 103


def test_progress_is_silent_unless_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with reporting(None) as report:
        report("fusing", 0.5)
    assert capsys.readouterr() == ("", "")
    with reporting(True) as report:
        report("fusing", 0.5)
    assert "fusing" in capsys.readouterr().err
    calls: list[tuple[str, float | None]] = []
    with reporting(lambda *one: calls.append(one)) as report:
        report("fusing", 0.5)
    assert calls == [("fusing", 0.5)]
