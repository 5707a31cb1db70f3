"""Take the pictures of docs/howto/view.md from the screenshots of the browser test.

`make screenshots` runs tests/service/test_browser.py, which leaves a picture of each step in
build/screenshots, and this, which keeps those that the page shows, in fewer colours.
"""

import re
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).parent
SHOTS = DOCS.parent / "build/screenshots"
PAGE = DOCS / "howto/view.md"
KEPT = DOCS / "images/page"

COLOURS = 256
"""Of a kept picture: a third of the bytes, and nobody sees it."""


def shown() -> list[str]:
    """Names of the pictures of the page, in its order."""
    return re.findall(r"\(\.\./images/page/([\w-]+)\.png\)", PAGE.read_text())


def main() -> None:
    """Write every picture that the page shows."""
    KEPT.mkdir(parents=True, exist_ok=True)
    for name in shown():
        with Image.open(SHOTS / f"{name}.png") as shot:
            few = shot.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
            few.save(KEPT / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
