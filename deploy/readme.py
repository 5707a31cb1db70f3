"""README.md as a package index displays it, without the other files of the repository.

A link or an image of the repository gets its address from `Repository` of `[project.urls]`. Without
an address a link is its text, and an image is left out with its caption.
"""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

CAPTION = r"(?:\n\n\*(?!\*)[^*]+\*$)?"
IMAGE = re.compile(rf"^!\[([^]]*)\]\((?!https?:)([^)\s]+)\){CAPTION}\n*", re.MULTILINE)
LINK = re.compile(r"(?<!!)\[([^]]*)\]\((?!https?:|#)([^)\s]+)\)")
"""What only the repository has: an image with its caption, and a link."""


class IndexReadme(MetadataHookInterface):  # type: ignore[misc]
    """The readme of the metadata."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set it, for the version and the address of the metadata."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        repository = metadata.get("urls", {}).get("Repository", "")
        text = displayed(text, repository, metadata["version"])
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


def displayed(text: str, repository: str, version: str) -> str:
    """The text with absolute links and images, or with none."""
    if not repository:
        return LINK.sub(r"\1", IMAGE.sub("", text))
    raw, blob = (f"{repository.rstrip('/')}/{kind}/v{version}" for kind in ("raw", "blob"))
    text = IMAGE.sub(lambda image: image[0].replace(f"]({image[2]})", f"]({raw}/{image[2]})"), text)
    return LINK.sub(lambda link: f"[{link[1]}]({blob}/{link[2]})", text)
