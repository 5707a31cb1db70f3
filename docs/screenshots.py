"""Write the images of docs/howto/view.md from the screenshots of the browser test.

tests/service/test_browser.py and test_browser_states.py write a screenshot of each step into
build/screenshots, and this script keeps those that the document shows, in fewer colours.
"""

import re
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).parent
SHOTS = DOCS.parent / "build/screenshots"
DOCUMENT = DOCS / "howto/view.md"
KEPT = DOCS / "images/viewer"

COLOURS = 256
"""Of a kept image: a third of the bytes, without visible difference."""


def shown() -> list[str]:
    """Names of the images of the document, in order."""
    return re.findall(r"\(\.\./images/viewer/([\w-]+)\.png\)", DOCUMENT.read_text())


def main() -> None:
    """Write every image that the document shows and that was taken; others stay as they are."""
    KEPT.mkdir(parents=True, exist_ok=True)
    for name in shown():
        if not (SHOTS / f"{name}.png").is_file():
            continue
        with Image.open(SHOTS / f"{name}.png") as shot:
            few = shot.convert("RGB").quantize(COLOURS, kmeans=1, dither=Image.Dither.NONE)
            few.save(KEPT / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
