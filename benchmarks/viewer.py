"""Speed of the viewer of `radfuse view`, rendered without a GPU.

    python benchmarks/viewer.py CT MR [--method mfinet] [--transform FILE] [--slices N]

Prepares and fuses a study, opens it in headless Chromium and prints seconds to the first image,
frames per second and processor time per frame of scrolling, of a drag of the window and of a
stroke of the brush, each with two layers and two structures; seconds to a slice by another method
before and after the server is started again; and the peak memory of server, fusion and browser tab.
On busy cores the processor time is the one to compare. With --slices, the CT is first resampled to
so many slices of 512x512 and 0.5 mm.
"""

import argparse
import importlib
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from radfuse.io.volumes import write_volume
from radfuse.modality import AIR_HU
from radfuse.pipeline.read import read
from radfuse.service.stores.rle import encode_slice
from viewer_server import PORT, TOKEN, Server, cpu_s, memory_mb

KITS = [Path(__file__).parents[1] / "tests" / part for part in ("", "service")]
"""Folders of `browser_kit`."""

FRAMES = 100

SETTLED_S = 2.0
"""Between the fused image and the first change of its window, s."""

OTHER_WINDOW = """
const width = document.getElementById('fusion-width');
width.value = Number(width.value) + 100;
width.dispatchEvent(new Event('change'));
"""

PER_FRAME = """
const done = arguments[1], viewer = radfuse.viewer, times = [];
let left = arguments[0], last = performance.now(), up = 1;
const { ct } = viewer;
const actions = {
  scroll() {
    if (viewer.crosshair[2] > ct.size[2] * 0.75) up = -1;
    if (viewer.crosshair[2] < ct.size[2] * 0.25) up = 1;
    viewer.move(0, 0, up);
  },
  window() { viewer.set({ window: [300 + left, 40 + left / 10] }); },
};
const step = () => {
  const now = performance.now();
  times.push(now - last);
  last = now;
  if (left-- > 0) { actions['ACTION'](); requestAnimationFrame(step); } else done(times.slice(1));
};
requestAnimationFrame(step);
"""
"""One change per frame; the times between frames in ms."""

STROKE = """
const viewer = radfuse.viewer, { canvas } = viewer, times = [];
radfuse.panels.structures.chooseTool('brush');
const box = canvas.getBoundingClientRect(), [viewport] = viewer.viewports;
const [x, y] = viewport.toScreen(viewer.crosshair).map((one) => (one * box.width) / canvas.width);
const send = (kind, dx) => {
  const [clientX, clientY] = [box.left + x + dx, box.top + y + dx / 3];
  const facts = { clientX, clientY, pointerId: 1, bubbles: true };
  canvas.dispatchEvent(new PointerEvent(kind, facts));
};
canvas.setPointerCapture = () => {};
send('pointerdown', 0);
for (let i = 0; i < arguments[0]; i++) {
  const start = performance.now();
  send('pointermove', i);
  viewer.draw();
  viewer.context.getImageData(0, 0, 1, 1);
  times.push(performance.now() - start);
}
send('pointerup', 0);
radfuse.panels.structures.chooseTool('crosshair');
return times;
"""
"""A stroke: the times in ms to handle a move of the pointer and to draw."""

TWO_LAYERS = """
const { viewer } = radfuse;
const [mr, fused] = ['mr', 'fused'].map((name) => viewer.imageLayers.named(name));
Object.assign(fused, { isShown: true, opacity: 1 });
Object.assign(mr, { isShown: true, opacity: 0.5, map: 'hot' });
viewer.requestDraw();
"""


def main() -> None:
    """Print a row per measurement."""
    parser = argparse.ArgumentParser()
    parser.add_argument("ct", type=Path)
    parser.add_argument("mr", type=Path)
    parser.add_argument("--method", default="mfinet")
    parser.add_argument("--transform", type=Path, help="maps CT points to MR points, LPS mm")
    parser.add_argument("--slices", type=int, help="resample the CT to thin slices of 512x512")
    asked = parser.parse_args()
    sys.path[:0] = map(str, KITS)
    kit = importlib.import_module("browser_kit")
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        if asked.slices:
            asked.ct = thin_slices(asked.ct, asked.slices, folder / "ct.nii")
        identifier = measure(kit, folder, asked)
        with Server(folder / "studies") as server:
            time_previews(server, identifier, (asked.method,), "after a start of the server")
        with Server(folder / "studies") as server, kit.opened_browser(folder) as browser:
            time_first_window(server, browser, kit.ViewerDriver(browser, folder), identifier)


def thin_slices(path: Path, slices: int, to: Path) -> Path:
    """The CT on a grid of 512x512 voxels and 0.5 mm, with so many slices."""
    ct = read(path, "CT").image
    size, spacing = (512, 512, slices), (0.5, 0.5, 0.5)
    centre = ct.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in ct.GetSize()])
    grid = sitk.Image(size, sitk.sitkUInt8)
    grid.SetSpacing(spacing)
    grid.SetDirection(ct.GetDirection())
    off = grid.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in size])
    grid.SetOrigin((np.array(centre) - off).tolist())
    moved = sitk.Resample(ct, grid, sitk.Transform(), sitk.sitkLinear, AIR_HU, sitk.sitkInt16)
    write_volume(to, moved)
    return to


def measure(kit: Any, folder: Path, asked: argparse.Namespace) -> str:
    """Prepare and fuse a study, then time the viewer on it; returns the study."""
    paths = {"ct": str(asked.ct.resolve()), "mr": str(asked.mr.resolve())}
    recipe: dict[str, Any] = {"method": asked.method, "outputs": ["fused"]}
    if asked.transform:
        recipe |= {"transform": str(asked.transform.resolve()), "accept_registration": True}
    with Server(folder / "studies") as server:
        made = server.client.post("/studies", json={**paths, "recipe": recipe})
        made.raise_for_status()
        identifier = str(made.json()["id"])
        start = time.perf_counter()
        server.client.post(f"/studies/{identifier}/prepare")
        server.settled(identifier)
        row("prepare", time.perf_counter() - start, "s")
        start = time.perf_counter()
        server.client.post(f"/studies/{identifier}/fuse", json={})
        row("peak memory of the fusion's process", server.largest_child_mb(identifier), "MB")
        row(f"register and fuse ({asked.method})", time.perf_counter() - start, "s")
        add_structures(server, identifier)
        with kit.opened_browser(folder) as browser:
            time_browser(browser, kit.ViewerDriver(browser, folder), identifier)
        time_previews(server, identifier, (asked.method, "bone_blend"), "")
        row("peak memory of the server", memory_mb(server.process.pid), "MB")
    return identifier


def add_structures(server: Server, identifier: str) -> None:
    """Two balls of about a quarter of the head's width."""
    columns, rows, slices = server.client.get(f"/studies/{identifier}/view").json()["ct"]["size"]
    radii = np.array([slices, rows, columns]) / 8
    for name, shift in (("GTVp", -0.5), ("Brain", 0.5)):
        centre = np.array([slices, rows, columns]) / 2 + (0, 0, shift * radii[2])
        runs = {}
        y, x = np.mgrid[:rows, :columns]
        for z in range(round(centre[0] - radii[0]), round(centre[0] + radii[0])):
            squares = [
                ((at - c) / r) ** 2 for at, c, r in zip((z, y, x), centre, radii, strict=True)
            ]
            runs[str(z)] = encode_slice(np.asarray(sum(squares) <= 1))
        body = {"name": name, "runs": runs}
        server.client.post(f"/studies/{identifier}/structures", json=body).raise_for_status()


def time_browser(browser: Any, viewer: Any, identifier: str) -> None:
    """Open the study in the browser; scroll, drag a window, draw; memory of the tab."""
    browser.set_script_timeout(120)
    browser.get(f"http://127.0.0.1:{PORT}/?token={TOKEN}")
    start = time.perf_counter()
    browser.refresh()
    viewer.wait_until(lambda: viewer.body_data("loaded") == identifier)
    row("first image of the prepared study", time.perf_counter() - start, "s")
    viewer.wait_until(lambda: viewer.body_data("shown"))
    row("and the fused image", time.perf_counter() - start, "s")
    tab = renderer(browser)
    time_frames(browser, tab, "scroll", "scrolling, fused over the CT", "slices/s")
    browser.execute_script(TWO_LAYERS)
    time_frames(browser, tab, "scroll", "scrolling, fused and MR, two structures", "slices/s")
    time_frames(browser, tab, "window", "window drag, fused and MR", "frames/s")
    row("a move of the brush", statistics.median(browser.execute_script(STROKE, FRAMES)), "ms")
    row("peak memory of the tab", memory_mb(tab), "MB")
    row("memory of the tab", memory_mb(tab, "VmRSS"), "MB")


def renderer(browser: Any) -> int:
    """Process of the browser's tab: the renderer with most memory."""
    folder = f"user-data-dir={browser.capabilities['chrome']['userDataDir']}"
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_text()
            if "--type=renderer" in command and folder in command:
                found.append((memory_mb(int(path.parent.name), "VmRSS"), int(path.parent.name)))
        except (OSError, StopIteration):
            continue
    return max(found)[1]


def time_frames(browser: Any, tab: int, action: str, words: str, unit: str) -> None:
    """Frames per second, and processor time of the tab per frame."""
    before = cpu_s(tab)
    times = browser.execute_async_script(PER_FRAME.replace("ACTION", action), FRAMES)
    row(words, 1000 / statistics.mean(times), unit)
    row("  processor time of the tab", 1000 * (cpu_s(tab) - before) / FRAMES, "ms/frame")


def time_previews(server: Server, identifier: str, methods: tuple[str, ...], when: str) -> None:
    """Seconds to two slices by each method."""
    for method in methods:
        for state, index in (("first", 100), ("next", 110)):
            start, before = time.perf_counter(), cpu_s(server.process.pid)
            body = {"method": method, "index": index}
            path = f"/studies/{identifier}/slice-preview"
            server.client.post(path, json=body).raise_for_status()
            row(f"{state} slice by {method} {when}".strip(), time.perf_counter() - start, "s")
            row("  processor time", cpu_s(server.process.pid) - before, "s")


def time_first_window(server: Server, browser: Any, viewer: Any, identifier: str) -> None:
    """Seconds to a slice with another CT window, as soon as a started server has the study open."""
    study = server.client.get(f"/studies/{identifier}").json()
    browser.get(f"http://127.0.0.1:{PORT}/?token={TOKEN}#{identifier}")
    viewer.wait_until(lambda: viewer.body_data("shown"))
    time.sleep(SETTLED_S)
    start = time.perf_counter()
    browser.execute_script(OTHER_WINDOW)
    viewer.wait_until(lambda: viewer.body_data("previewed"))
    words = f"first slice by {study['outcome']['method']} after a start, study open"
    row(words, time.perf_counter() - start, "s")


def row(words: str, value: float, unit: str) -> None:
    """Print one measurement."""
    print(f"{words:50} {value:8.2f} {unit}", flush=True)


if __name__ == "__main__":
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before", flush=True)
    main()
