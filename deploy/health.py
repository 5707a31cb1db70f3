"""Ask the node of this machine for its health; exit status 0 if it answers 200.

`python health.py [PORT]`: `RADFUSE_NODE_PORT` or 8044 by default. The certificate is not verified:
its name is that of the machine, and the connection does not leave it.
"""

import os
import ssl
import sys
import urllib.error
import urllib.request

DEFAULT_PORT = "8044"
TIMEOUT_S = 5.0


def is_healthy(port: str) -> bool:
    """Whether `/healthz` answers 200, with or without TLS."""
    context = ssl._create_unverified_context()  # noqa: S323  # see above
    for scheme in ("http", "https"):
        url = f"{scheme}://127.0.0.1:{port}/healthz"
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_S, context=context) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            continue
    return False


if __name__ == "__main__":
    port = (*sys.argv[1:], os.environ.get("RADFUSE_NODE_PORT", DEFAULT_PORT))[0]
    sys.exit(not is_healthy(port))
