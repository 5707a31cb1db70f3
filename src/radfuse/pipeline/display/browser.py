"""Show HTML in a notebook, or in a web browser, without a file: it may show a patient."""

import secrets
import webbrowser
from http.server import BaseHTTPRequestHandler, HTTPServer

from radfuse.errors import OutputError
from radfuse.pipeline.display.bars import notebook_display
from radfuse.pipeline.display.html import document

WAIT_S = 20.0
"""Time that a browser has to start and to fetch the document."""

NO_BROWSER = "no web browser fetched the image; show the result in a notebook, or save it"


def show_html(title: str, fragment: str, wait_s: float = WAIT_S) -> None:
    """Show a fragment of HTML; it is served once, to who knows a random address of this machine.

    Raises `OutputError` where no browser fetches it in time.
    """
    if display := notebook_display():
        display({"text/html": fragment, "text/plain": title}, raw=True)
        return
    path = f"/{secrets.token_urlsafe(16)}"
    content = document(title, fragment).encode()
    with _OnceServer(path, content) as server:
        server.timeout = wait_s
        if not webbrowser.open(f"http://127.0.0.1:{server.server_port}{path}"):
            raise OutputError(NO_BROWSER)
        while server.handle_in_time() and not server.served:
            pass
        if not server.served:
            raise OutputError(NO_BROWSER)


class _OnceServer(HTTPServer):
    """Serves one document at one path of 127.0.0.1."""

    def __init__(self, path: str, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.path, self.content = path, content
        self.served = self.timed_out = False

    def handle_in_time(self) -> bool:
        """Answer one request; whether one came."""
        self.handle_request()
        return not self.timed_out

    def handle_timeout(self) -> None:
        """Nothing was asked for."""
        self.timed_out = True


class _Answer(BaseHTTPRequestHandler):
    server: _OnceServer

    def do_GET(self) -> None:  # the name that http.server calls
        """The document at its path, nothing elsewhere."""
        if self.path != self.server.path:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(self.server.content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(self.server.content)
        self.server.served = True

    def log_message(self, *_: object) -> None:
        """Print nothing."""
