"""Time of a stroke in the viewer of `radfuse view`, rendered without a GPU.

    python benchmarks/strokes.py [--size 512 512 234] [--structures 8]

Opens a synthetic study in headless Chromium, adds structures of the size of a brain, and prints for
strokes in each plane the milliseconds from a movement of the pointer to the drawn image, those of
the end of the stroke and of undo, and of drawing the image without a change.
"""

import argparse
import importlib
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

KITS = [Path(__file__).parents[1] / "tests" / part for part in ("", "service")]
"""Folders of `browser_kit` and `study_kit`."""

SPACING_MM = (0.5, 0.5, 1.0)
"""Of a CT for planning on a head."""

MOVES = 60
"""Movements of a stroke."""

STROKE = """
const [plane, moves, mm] = arguments;
const { viewer, panels } = radfuse, panel = panels.structures;
panel.setBrush(mm);
panel.chooseTool('brush');
viewer.draw();
const viewport = viewer.viewports.find((one) => one.plane === plane);
const { right, down, grid } = viewport, tool = viewer.tool, event = { ctrlKey: false };
const at = (i) => {
  const voxel = [...viewer.crosshair], angle = (2 * Math.PI * i) / moves;
  voxel[right] += (Math.cos(angle) * 30) / grid.spacing[right];
  voxel[down] += (Math.sin(angle) * 30) / grid.spacing[down];
  return voxel;
};
const flush = () => viewer.context.getImageData(0, 0, 1, 1);
const timed = (work) => {
  const start = performance.now();
  work();
  viewer.draw();
  flush();
  return performance.now() - start;
};
const idle = Array.from({ length: 10 }, () => timed(() => {}));
tool.down(viewport, at(0), event);
const times = [];
for (let i = 0; i <= moves; i++) times.push(timed(() => tool.move(viewport, at(i), event)));
const end = timed(() => tool.up());
const undo = timed(() => panel.undo());
return { idle, times, end, undo };
"""


def head(size: tuple[int, int, int]) -> sitk.Image:
    """A CT of an ellipsoid with a shell of bone and noise."""
    columns, rows, slices = size
    axes = [np.linspace(-1, 1, count, dtype=np.float32) for count in (slices, rows, columns)]
    squares = [axis**2 * factor for axis, factor in zip(axes, (1.2, 1.5, 2.0), strict=True)]
    radius = squares[0][:, None, None] + squares[1][None, :, None] + squares[2][None, None, :]
    values = np.where(radius < 0.8, 40, np.where(radius < 1, 900, -1000)).astype(np.int16)
    values[:, ::7, ::5] += 15
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(SPACING_MM)
    return image


def ellipsoid(size: tuple[int, int, int], shift: float) -> dict[str, list[int]]:
    """The runs of an ellipsoid of half the head, each a little elsewhere."""
    columns, rows, slices = size
    runs: dict[str, list[int]] = {}
    for index in range(slices):
        z = (2 * index / slices - 1) / 0.6
        flat: list[int] = []
        for row in range(rows):
            y = (2 * row / rows - 1 - shift) / 0.5
            if z * z + y * y < 1:
                half = int(np.sqrt(1 - z * z - y * y) * 0.4 * columns / 2)
                if half:
                    flat += [row * columns + columns // 2 - half, 2 * half]
        if flat:
            runs[str(index)] = flat
    return runs


def open_study(kit: Any, viewer: Any, site: Any, size: tuple[int, int, int], count: int) -> None:
    """A study with structures, opened."""
    structures = importlib.import_module("structure_kit")
    source = structures.series_on_disk(site.folder / "CT").source
    ct = head(size)
    study = kit.prepare(site, (source, source), ct, sitk.BinShrink(ct, [4, 4, 4]))
    for number in range(count):
        runs = ellipsoid(size, 0.02 * number)
        study.call("POST", "/structures", name=f"Structure {number}", runs=runs)
    viewer.open(site.access.url)
    viewer.wait_until(lambda: viewer.body_data("loaded"), 120)
    viewer.element("tab-structures").click()
    listed = "return radfuse.panels.structures.store.list.length"
    viewer.wait_until(lambda: viewer.browser.execute_script(listed) == count, 120)


def print_strokes(viewer: Any, plane: str, brush_mm: float) -> None:
    """One line for strokes in a plane."""
    found = viewer.browser.execute_script(STROKE, plane, MOVES, brush_mm)
    times = sorted(found["times"])
    print(
        f"{plane:9}{brush_mm:5.0f} mm  move: lowest {times[0]:5.1f} ms, median "
        f"{statistics.median(times):5.1f}, 95 % "
        f"{times[int(0.95 * len(times))]:5.1f}, highest {times[-1]:5.1f};  end {found['end']:5.1f};"
        f"  undo {found['undo']:5.1f};  draw alone {statistics.median(found['idle']):5.1f}"
    )


def main() -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, nargs=3, default=(512, 512, 234))
    parser.add_argument("--structures", type=int, default=8)
    options = parser.parse_args()
    sys.path[:0] = map(str, KITS)
    browser_kit, service_kit, study_kit = map(
        importlib.import_module, ("browser_kit", "service_kit", "study_kit")
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            service_kit.running(folder / "site") as site,
            browser_kit.opened_browser(folder / "browser") as browser,
        ):
            viewer = browser_kit.ViewerDriver(browser, folder)
            open_study(study_kit, viewer, site, tuple(options.size), options.structures)
            print(f"{options.structures} structures on {' x '.join(map(str, options.size))} voxels")
            for plane in ("axial", "coronal", "sagittal"):
                for brush_mm in (6.0, 30.0):
                    print_strokes(viewer, plane, brush_mm)


if __name__ == "__main__":
    main()
