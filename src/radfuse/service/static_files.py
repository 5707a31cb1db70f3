"""The viewer's HTML, CSS and scripts: small files, which are answered from memory."""

import hashlib
import mimetypes
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

INDEX = "index.html"

HINT = '<link rel="modulepreload" href="{}">\n'
"""Of a module."""

VENDOR = "vendor"
"""Folder of scripts that are loaded only where they are needed."""


@dataclass(frozen=True)
class _File:
    content: bytes
    media_type: str
    tag: str


class StaticFiles:
    """The files of a folder as they are now; 304 for one that the browser has already.

    `/` is the HTML, with hints by which a browser loads all modules at once.
    """

    def __init__(self, folder: Path) -> None:
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        names = [path.relative_to(folder).as_posix() for path in paths]
        contents = {name: path.read_bytes() for name, path in zip(names, paths, strict=True)}
        links = "".join(HINT.format(one) for one in _modules(names))
        html = contents[INDEX].replace(b"</head>", f"{links}</head>".encode())
        contents |= {INDEX: html, "": html}
        self._files = {name: _file(name, content) for name, content in contents.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for a file; 404 without it, 405 for another method than GET and HEAD."""
        request = Request(scope)
        if request.method not in {"GET", "HEAD"}:
            raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED)
        file = self._files.get(request.url.path.removeprefix("/"))
        if file is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        headers = {"etag": file.tag}
        if request.headers.get("if-none-match") == file.tag:
            await Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)(
                scope, receive, send
            )
            return
        await Response(file.content, media_type=file.media_type, headers=headers)(
            scope, receive, send
        )


def _modules(names: list[str]) -> list[str]:
    return [one for one in names if one.endswith(".js") and not one.startswith(f"{VENDOR}/")]


def _file(name: str, content: bytes) -> _File:
    kind, _ = mimetypes.guess_type(name or INDEX)
    tag = hashlib.sha256(content).hexdigest()[:32]
    return _File(content, kind or "application/octet-stream", f'"{tag}"')
