"""A record is plain, frozen data, and its digests are those of the files."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from radfuse.errors import InputError
from radfuse.recipe import make_recipe
from radfuse.record import (
    LIBRARIES,
    NOTICE,
    Input,
    Output,
    Record,
    digest,
    library_versions,
    now,
    platform_name,
    read_record,
)

contents = st.lists(st.binary(max_size=40), min_size=2, max_size=4)


def record() -> Record:
    return Record(
        created=now(),
        recipe=make_recipe(method="maximum", window=(80.0, 40.0), transform="a.tfm"),
        inputs=(
            Input(
                role="CT", source="ct", files=2, sha256="ab", size=(4, 3, 2), spacing_mm=(1, 1, 2.5)
            ),
        ),
        method={"name": "maximum"},
        scaling={"window": [80, 40]},
        registration={"transform": [[1.0, 0.0], [0.0, 1.0]], "quality": 0.75},
        outputs=(Output(role="image", path="fused.nii.gz", sha256="cd"),),
        seconds={"fuse": 0.5},
        versions=library_versions(),
        platform=platform_name(),
    )


def write(folder: Path, files: list[bytes]) -> list[Path]:
    paths = [folder / f"{index}.bin" for index in range(len(files))]
    for path, content in zip(paths, files, strict=True):
        path.write_bytes(content)
    return paths


def test_a_record_through_json_is_the_same_record() -> None:
    before = record()
    assert Record.model_validate_json(before.model_dump_json()) == before
    assert json.loads(before.model_dump_json())["recipe"]["window"] == [80.0, 40.0]


def test_record_states_intended_use_and_schema_version() -> None:
    facts = json.loads(record().model_dump_json())
    assert facts["notice"] == NOTICE
    assert NOTICE.startswith("Research use only. Not a medical device.")
    assert facts["schema_version"] == len(Record.migrations) + 1


def test_a_record_and_its_parts_do_not_change() -> None:
    made = record()
    for part, name in ((made, "notice"), (made.inputs[0], "sha256"), (made.outputs[0], "path")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(part, name, "other")


@pytest.mark.parametrize("version", [None, 1, 2])
def test_a_record_with_hidden_identifiers_is_read(tmp_path: Path, version: int | None) -> None:
    """Earlier versions replaced names and IDs in paths, notes and numbers by `***`."""
    facts = json.loads(record().model_dump_json())
    facts["schema_version"] = version
    if version is None:
        del facts["schema_version"]
    facts["recipe"] |= {"method": "***/***.onnx", "transform": "/data/***/***.tfm"}
    facts["inputs"][0] |= {"source": "***", "notes": ["*** images left out: /data/***/0***.dcm"]}
    facts["method"] |= {"name": "***"}
    facts["left_out"] = ["colour: ***.*** mm apart"]
    path = tmp_path / "record.json"
    path.write_text(json.dumps(facts))
    found = read_record(path)
    assert (found.recipe.method, found.recipe.transform) == (
        "***/***.onnx", Path("/data/***/***.tfm"),
    )  # fmt: skip
    assert (found.inputs[0].source, found.method["name"]) == ("***", "***")
    assert found.inputs[0].notes == ("*** images left out: /data/***/0***.dcm",)
    assert found.left_out == ("colour: ***.*** mm apart",)
    path.write_text(found.model_dump_json())
    assert read_record(path) == found


def test_a_record_without_its_inputs_is_refused() -> None:
    facts = json.loads(record().model_dump_json())
    del facts["inputs"]
    with pytest.raises(ValidationError, match="inputs"):
        Record.model_validate(facts)


def test_sentence_on_the_method_has_the_options_that_were_set() -> None:
    made = record().model_copy(update={"method": {"summary": "a network"}})
    assert made.method_sentence == f"{made.recipe.method}: a network"
    recipe = made.recipe.model_copy(update={"options": {"graph": "fast", "precision": "bf16"}})
    sentence = made.model_copy(update={"recipe": recipe}).method_sentence
    assert sentence == f"{recipe.method}: a network; graph: fast; precision: bf16"


def test_the_moment_is_in_utc_to_the_second() -> None:
    moment = now()
    assert moment.tzinfo is UTC
    assert moment.microsecond == 0
    assert abs(datetime.now(UTC) - moment) < timedelta(seconds=5)


def test_every_library_that_decides_a_result_has_its_version() -> None:
    versions = library_versions()
    assert tuple(versions) == LIBRARIES
    assert all(versions.values())
    assert platform_name().startswith("Python 3.")


def test_the_digest_of_one_file_is_its_sha256(tmp_path: Path) -> None:
    path = write(tmp_path, [b"slice"])[0]
    assert digest([path]) == hashlib.sha256(b"slice").hexdigest()


def test_digest_of_files_is_of_their_digests_in_order(tmp_path: Path) -> None:
    paths = write(tmp_path, [b"one", b"two"])
    joined = hashlib.sha256(b"one").digest() + hashlib.sha256(b"two").digest()
    assert digest(paths) == hashlib.sha256(joined).hexdigest()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=contents)
def test_a_digest_sees_content_and_order_and_not_names(tmp_path: Path, files: list[bytes]) -> None:
    paths = write(tmp_path, files)
    whole = digest(paths)
    moved = tmp_path / "moved"
    moved.mkdir(exist_ok=True)
    assert digest(write(moved, files)) == whole
    assert digest(write(moved, [files[0] + b"x", *files[1:]])) != whole
    assert digest(paths[:-1]) != whole
    if files[0] != files[-1]:
        swapped = [paths[-1], *paths[1:-1], paths[0]]
        assert digest(swapped) != whole


def test_digest_changes_when_a_byte_moves_between_files(tmp_path: Path) -> None:
    first = digest(write(tmp_path, [b"ab", b"c"]))
    assert digest(write(tmp_path, [b"a", b"bc"])) != first


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    paths = [*write(tmp_path, [b"one"]), tmp_path / "gone.dcm"]
    with pytest.raises(InputError, match=r"gone\.dcm: cannot be read: No such file"):
        digest(paths)
