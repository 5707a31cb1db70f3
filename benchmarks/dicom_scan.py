"""Time and memory of `radfuse info` and of the scan of headers on a folder of thousands of slices.

`python benchmarks/dicom_scan.py [SLICES]` writes a folder of 512 x 512 slices with as many
attributes as a scanner writes, scans it, and prints seconds and peak memory.
"""

import os
import subprocess
import sys
import tempfile
import time
from multiprocessing import Process
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom import Dataset
from pydicom.uid import MRImageStorage

from radfuse.dicom.uids import new_uid
from radfuse.dicom.write.series import write_series

SLICES = 2000
"""Of a folder with several thin-slice series."""

PRIVATE_BYTES = 30_000
"""Of the scanner's own attributes in each slice."""


def write_folder(folder: Path, count: int) -> None:
    """A series of noise with a realistic header."""
    plane = np.random.default_rng(1).integers(0, 1000, (1, 512, 512), np.int16)
    image = sitk.GetImageFromArray(np.broadcast_to(plane, (count, 512, 512)))
    image.SetSpacing((0.5, 0.5, 0.1))
    header = Dataset()
    header.SOPClassUID, header.Modality = MRImageStorage, "MR"
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        setattr(header, keyword, new_uid())
    header.SeriesDescription = "many slices"
    for number in range(100):  # a scanner writes about a hundred private attributes
        header.add_new(0x00190000 + 0x1001 + number, "LO", f"value {number}")
    header.add_new(0x00291010, "OB", bytes(PRIVATE_BYTES))
    write_series(folder, image, header)


def measured(command: list[str]) -> tuple[float, float]:
    """Wall time in seconds and peak memory in MB of a command."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def main() -> None:
    """Print a row per command."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else SLICES
    scan = "import sys; from pathlib import Path; from radfuse.dicom.read.scan import scan_folder; "
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "slices"
        writer = Process(target=write_folder, args=(folder, count))
        writer.start()  # its memory must not count for the commands
        writer.join()
        for name, command in (
            ("scan of headers", ["-c", f"{scan}scan_folder(Path(sys.argv[1]))", str(folder)]),
            ("info --no-pixels", ["-m", "radfuse", "info", "--no-pixels", str(folder)]),
            ("info", ["-m", "radfuse", "info", str(folder)]),
        ):
            seconds, megabytes = measured([sys.executable, *command])
            print(f"{name:<18} {count} slices  {seconds:6.1f} s  {megabytes:6.0f} MB")


if __name__ == "__main__":
    main()
