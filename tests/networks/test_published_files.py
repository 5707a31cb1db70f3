"""Parameters as authors publish them: what TensorFlow and PyTorch wrote, and what nobody should."""

import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.io import savemat
from torch import Tensor

from checkpoint_kit import checksum, field, varint, write_checkpoint, write_table
from radfuse.errors import InputError
from radfuse.networks.published_files import read
from radfuse.networks.published_files.leveldb_table import MAGIC, masked_crc32c
from radfuse.networks.published_files.read import read_published

WRITTEN = Path(__file__).parent / "published"
V1, V2 = WRITTEN / "v1.ckpt", WRITTEN / "v2.ckpt"
STATE = {"conv.weight": torch.arange(36.0).reshape(2, 2, 3, 3), "conv.bias": torch.ones(2)}

Arrays = Mapping[str, NDArray[Any]]


def expected() -> dict[str, NDArray[Any]]:
    """What TensorFlow itself read, the real numbers, by names with dots."""
    with np.load(WRITTEN / "written.npz") as found:
        arrays = {name.replace("/", "."): found[name] for name in found.files}
    return {name: array for name, array in arrays.items() if array.dtype.kind == "f"}


def assert_same(found: Arrays, wanted: Arrays) -> None:
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def refused(path: Path, words: str = "not readable as published parameters") -> None:
    with pytest.raises(InputError, match=words) as caught:
        read_published([path])
    assert str(path.with_suffix("")) in str(caught.value)
    assert "\n" not in str(caught.value)


# checkpoints of TensorFlow


def test_both_formats_of_tensorflow_give_what_tensorflow_reads() -> None:
    wanted = expected()
    assert wanted["encoder.conv1.kernel"].shape == (3, 3, 1, 4)
    for path in (V1, V2):
        assert_same(read_published([path]).arrays, wanted)


def test_checkpoint_is_named_by_prefix_or_by_its_files(tmp_path: Path) -> None:
    for path in WRITTEN.glob("v*"):
        shutil.copy(path, tmp_path)
    for name in ("v1", "v2"):
        (tmp_path / f"{name}.ckpt.meta").touch()
    prefix = tmp_path / "v2.ckpt"
    parts = [Path(f"{prefix}{suffix}") for suffix in (".index", ".data-00000-of-00001", ".meta")]
    for names in ([prefix], *([part] for part in parts), parts):
        assert read_published(names).files == tuple(parts[:2])
    assert read_published([tmp_path / "v1.ckpt.meta"]).files == (tmp_path / "v1.ckpt",)


def test_files_that_are_missing_are_named(tmp_path: Path) -> None:
    refused(tmp_path / "none.ckpt", r"none\.ckpt\.index: no such file")
    refused(tmp_path / "none.pth", r"none\.pth: no such file")
    shutil.copy(f"{V2}.index", tmp_path)
    refused(tmp_path / "v2.ckpt", "data-00000-of-00001: no such file")


@pytest.mark.parametrize("name", ["v1.ckpt", "v2.ckpt.index", "v2.ckpt.data-00000-of-00001"])
def test_a_truncated_checkpoint_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    for path in WRITTEN.glob("v*"):
        shutil.copy(path, tmp_path)
    content = (tmp_path / name).read_bytes()
    for length in [*range(0, len(content), 64), len(content) - 1]:
        (tmp_path / name).write_bytes(content[:length])
        refused(tmp_path / f"{name[:2]}.ckpt")


def test_a_bit_that_flipped_in_an_array_is_found(tmp_path: Path) -> None:
    for path in WRITTEN.glob("v*"):
        shutil.copy(path, tmp_path)
    for name in ("v1.ckpt", "v2.ckpt.data-00000-of-00001"):
        content = bytearray((tmp_path / name).read_bytes())
        content[len(content) // 2] ^= 1
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, "checksum")


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    for content in (b"", b"text" * 100, V1.read_bytes()[:-1] + b"\0"):
        path.write_bytes(content)
        refused(path)


# a table written by the test, to damage


def bundle(folder: Path, values: bytes, *, header: bytes = field(1, 1), **lies: Any) -> Path:
    """A V2 checkpoint of one array of shape (2, 2), float32, in which something may be a lie."""
    shape = b"".join(field(2, field(1, axis)) for axis in lies.get("shape", (2, 2)))
    entry = (
        field(1, 1) + field(2, shape) + field(4, lies.get("offset", 0))
        + field(5, lies.get("size", len(values))) + checksum(values) + lies.get("more", b"")
    )  # fmt: skip
    keys = lies.get("keys", [b"x"])
    write_table(folder / "m.index", [(b"", header), *((key, entry) for key in keys)])
    (folder / "m.data-00000-of-00001").write_bytes(values)
    return folder / "m"


VALUES = np.array([[1, 2], [3, 4]], np.float32)


def test_a_checksum_is_that_of_the_standard() -> None:
    crc = 0xE3069283  # of "123456789", as catalogues of such sums have it
    assert masked_crc32c(b"123456789") == ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32


def test_a_table_written_by_the_test_is_read(tmp_path: Path) -> None:
    assert_same(read_published([bundle(tmp_path, VALUES.tobytes())]).arrays, {"x": VALUES})
    write_checkpoint(tmp_path / "new" / "4.ckpt", {"b": VALUES, "a": VALUES[0]})
    assert_same(read_published([tmp_path / "new" / "4.ckpt"]).arrays, {"a": VALUES[0], "b": VALUES})


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"shape": (2, 3)}, r"16 bytes for an array of shape \(2, 3\)"),
        ({"shape": (2**62, 2**62)}, "16 bytes for"),
        ({"shape": (2**63, 0), "size": 0}, "checksum|not readable"),
        ({"size": 2**60}, "arrays are larger than"),
        ({"offset": 2**60}, "truncated"),
        ({"keys": [b"x", b"y"]}, "arrays are larger than"),
        ({"header": field(1, 2)}, "arrays are in 2 files"),
        ({"header": field(1, 1) + field(2, 1)}, "big-endian"),
        ({"header": b"\x0b"}, "not a protocol buffer message"),
        ({"header": b"\x0a\x7f"}, "a message ends early"),
        ({"header": b"\x08\xff"}, "not terminated"),
        ({"header": field(1, b"1")}, "a number is expected"),
        ({"more": field(2, 1)}, "bytes are expected"),
        ({"more": field(7, b"")}, "partitioned arrays"),
        ({"keys": [b"\xff\xfe"]}, "not readable"),
        ({"keys": [b"x" * 1000]}, "longer than its block"),
        ({"keys": []}, "no arrays of real numbers"),
    ],
)
def test_an_inconsistent_v2_checkpoint_is_refused(
    tmp_path: Path, damage: dict[str, Any], words: str
) -> None:
    refused(bundle(tmp_path, VALUES.tobytes(), **damage), words)


def one_file(path: Path, *, shape: int = 4, kind: int = 1) -> Path:
    """A V1 checkpoint of one array, float32 or declared as another type."""
    facts = field(1, b"x") + field(2, field(2, field(1, shape))) + field(3, kind)
    data = field(1, b"x") + field(3, field(5, VALUES.tobytes()))
    write_table(path, [(b"", field(1, field(1, facts))), (b"\0x", field(2, data))])
    return path


def test_an_inconsistent_v1_checkpoint_is_refused(tmp_path: Path) -> None:
    path = one_file(tmp_path / "m.ckpt")
    assert_same(read_published([path]).arrays, {"x": VALUES.ravel()})
    refused(one_file(path, shape=5), r"16 bytes for an array of shape \(5,\)")
    refused(one_file(path, kind=2), "0 bytes for")
    refused(one_file(path, kind=9), "no arrays of real numbers")


def test_a_compressed_block_is_refused(tmp_path: Path) -> None:
    write_table(tmp_path / "m.ckpt", [(b"", b"")], compression=1)
    refused(tmp_path / "m.ckpt", "compressed")


def test_a_block_too_short_for_its_entries_is_refused(tmp_path: Path) -> None:
    write_table(tmp_path / "m.ckpt", [(b"", b"")], restarts=2**31)
    refused(tmp_path / "m.ckpt", "too short for its entries")


def test_blocks_are_read_but_once(tmp_path: Path) -> None:
    write_table(tmp_path / "m.ckpt", [(b"", b"")])
    content = (tmp_path / "m.ckpt").read_bytes()
    data = content[: content.index(struct.pack("<II", 0, 1)) + 13]
    entry = varint(0) + varint(1) + varint(2) + b"k" + varint(0) + varint(len(data) - 5)
    body = entry * 40 + struct.pack("<IIB", 0, 1, 0)
    index = body + struct.pack("<I", masked_crc32c(body))
    footer = varint(0) + varint(0) + varint(len(data)) + varint(len(index) - 5)
    footer = footer.ljust(40, b"\0") + struct.pack("<Q", MAGIC)
    (tmp_path / "m.ckpt").write_bytes(data + index + footer)
    refused(tmp_path / "m.ckpt", "overlap")


# state dicts of PyTorch


@pytest.mark.parametrize("as_zip", [True, False])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"epoch": 3, "state_dict": state, "optimizer": {"state": {0: torch.ones(1)}}},
        lambda state: {"model": state | {"steps": torch.tensor(7)}},
    ],
)
def test_a_state_dict_is_found_alone_or_under_a_key(
    tmp_path: Path, wrap: Callable[[dict[str, Tensor]], Any], as_zip: bool
) -> None:
    for suffix in (".pth", ".pt", ".pkl", ".model"):
        path = tmp_path / f"net{suffix}"
        torch.save(wrap(STATE), path, _use_new_zipfile_serialization=as_zip)
        wanted = {name: value.numpy() for name, value in STATE.items()}
        assert_same(read_published([path]).arrays, wanted)


@pytest.mark.parametrize("as_zip", [True, False])
def test_a_truncated_state_dict_is_refused_in_one_line(tmp_path: Path, as_zip: bool) -> None:
    path = tmp_path / "net.pth"
    torch.save(STATE, path, _use_new_zipfile_serialization=as_zip)
    content = path.read_bytes()
    for length in range(0, len(content), 64):
        path.write_bytes(content[:length])
        refused(path)


class Intruder:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("as_zip", [True, False])
def test_no_code_of_a_file_runs(tmp_path: Path, as_zip: bool) -> None:
    trace = tmp_path / "trace"
    content = STATE | {"x": Intruder(trace)}
    torch.save(content, tmp_path / "net.pth", _use_new_zipfile_serialization=as_zip)
    refused(tmp_path / "net.pth", "would run code")
    (tmp_path / "net.pkl").write_bytes(pickle.dumps(content))
    refused(tmp_path / "net.pkl", "would run code")
    assert not trace.exists()


def test_none_and_several_state_dicts_are_refused(tmp_path: Path) -> None:
    torch.save({"generator": STATE, "discriminator": STATE}, tmp_path / "net.pth")
    refused(tmp_path / "net.pth", "2 state dicts")
    torch.save([1], tmp_path / "net.pth")
    refused(tmp_path / "net.pth", "0 state dicts")


@pytest.mark.parametrize(
    "value", [torch.ones(2).to_sparse(), torch.ones(2, device="meta"), torch.ones(2).long(), 3.0]
)
def test_what_has_no_real_numbers_of_its_own_is_left_out(tmp_path: Path, value: object) -> None:
    torch.save(STATE | {"x": value}, tmp_path / "net.pth")
    assert read_published([tmp_path / "net.pth"]).arrays.keys() == STATE.keys()


def test_a_tensor_that_repeats_its_values_takes_no_memory(tmp_path: Path) -> None:
    torch.save({"x": torch.ones(1).expand(2**40)}, tmp_path / "net.pth")
    refused(tmp_path / "net.pth", "larger than the file")


# archives of NumPy, and several files


def test_an_archive_of_numpy_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", allow_pickle=False, **{"x/kernel": VALUES, "steps": np.array(3)})
    assert_same(read_published([tmp_path / "a.npz"]).arrays, {"x.kernel": VALUES})


def test_archives_with_objects_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=np.array([{}], object))
    refused(path, "not an archive of plain arrays")
    np.savez(path, x=VALUES)
    content = path.read_bytes()
    for length in range(0, len(content), 64):
        path.write_bytes(content[:length])
        refused(path)


@pytest.mark.parametrize("name", ["a.npz", "net.pth"])
def test_archive_that_unpacks_to_gigabytes_is_refused_unopened(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        archive.writestr("x.npy", b"")
        archive.filelist[0].file_size = 2**30 + 1  # in the directory of the archive
    refused(tmp_path / name, "unpacks to 1073741825 bytes")


def test_several_files_are_read_as_one(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=VALUES, both=VALUES, power=VALUES[0])
    np.savez(tmp_path / "b.npz", y=VALUES, both=VALUES, power=VALUES[1])
    published = read_published([tmp_path / "a.npz", tmp_path / "b.npz"])
    alone = {"a.power": VALUES[0], "b.power": VALUES[1]}
    assert_same(published.arrays, {"x": VALUES, "both": VALUES, "y": VALUES} | alone)
    assert published.differing == {"power"}


# MATLAB


def test_floating_point_arrays_of_matlab_are_read(tmp_path: Path) -> None:
    path, values = tmp_path / "cnnmodel.mat", np.arange(6, dtype=np.float32).reshape(2, 3)
    savemat(path, {"weights_b1_1": values, "name": "text", "count": np.int32(3)})
    assert_same(read_published([path]).arrays, {"weights_b1_1": values})


def test_damaged_and_large_matlab_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.mat"
    savemat(path, {"weights": np.ones((8, 9))}, do_compression=True)
    content = path.read_bytes()
    for damaged in (b"", b"text" * 100, content[: len(content) // 2], content[:-9]):
        path.write_bytes(damaged)
        refused(path)
    path.write_bytes(content)
    monkeypatch.setattr(read, "MAX_BYTES", 8 * 71)
    refused(path, "unpacks to 576 bytes, more than 568")
