"""Speed and first load of the application that fuses in the browser, in headless Chromium.

    python benchmarks/browser_fusion.py [--repeats 7] [--plain]

Assembles the application, serves it with the headers of docs/howto/try-in-browser.md (with --plain
without them, so that WebAssembly has one thread), and prints the bytes that are transferred until
it is ready, seconds until it is ready, and for each method seconds of a fusion of its sample of
256x256 pixels, and of them the processor time of all processes of the browser, which other work on
the machine changes little.
"""

import argparse
import importlib
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT / part) for part in ("docs", "tests/service", "tests/try_in_browser")]

TRANSFERRED = """
return performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))
  .reduce((sum, { transferSize }) => sum + transferSize, 0);
"""
"""Bytes of all responses, with their headers."""

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def processor_s(root: int) -> float:
    """Processor time of a process and of all below it so far, s (Linux)."""
    parents, ticks = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # has ended
            continue
        parents[int(path.parent.name)] = int(fields[1])
        ticks[int(path.parent.name)] = int(fields[11]) + int(fields[12])
    family = {root}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(ticks.get(pid, 0) for pid in family) / TICKS_PER_S


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--plain", action="store_true", help="without cross-origin isolation")
    arguments = parser.parse_args()
    browser_kit, static_server, try_driver, application_kit = (
        importlib.import_module(name)  # from the folders above
        for name in ("browser_kit", "static_server", "try_driver", "try_in_browser")
    )
    with tempfile.TemporaryDirectory() as folder:
        application = application_kit.assemble(
            Path(folder) / "site/try", sample_mm=3.0, volume_methods=()
        )
        with (
            static_server.served(application.parent, isolated=not arguments.plain) as address,
            browser_kit.opened_browser(Path(folder)) as browser,
        ):
            driver = try_driver.TryDriver(browser, Path(folder), address)
            start = time.perf_counter()
            driver.open()
            print(f"ready after {time.perf_counter() - start:.2f} s")
            print(f"first load {browser.execute_script(TRANSFERRED) / 1e6:.2f} MB")
            driver.choose(engine="wasm")
            for method in application_kit.METHODS_OFFERED:
                driver.choose(method=method)
                seconds, processor = [], []
                for _ in range(arguments.repeats):
                    before = processor_s(browser.service.process.pid)
                    driver.press("sample-images")
                    seconds.append(float(driver.data("seconds")))
                    processor.append(processor_s(browser.service.process.pid) - before)
                print(
                    f"{method}: median {statistics.median(seconds):.2f} s, {min(seconds):.2f} to "
                    f"{max(seconds):.2f} s; processor time {statistics.median(processor):.2f} s, "
                    f"{min(processor):.2f} to {max(processor):.2f} s; "
                    f"{driver.text('used-engine')}; difference {driver.data('difference')}"
                )


if __name__ == "__main__":
    main()
