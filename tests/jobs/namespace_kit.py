"""Hosts that are network namespaces of this machine, connected by a bridge."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

ADDRESSES = ("10.77.31.1", "10.77.31.2", "10.77.31.3")
"""Of the hosts; no other network of this machine is connected."""


@contextmanager
def connected_hosts() -> Iterator[dict[str, list[str]]]:
    """The start of a command line that runs a program on a host, by the address of the host."""
    if shutil.which("ip") is None:
        pytest.skip("no `ip` here: apt-get install iproute2")
    names = [f"radfuse-{os.getpid()}-{number}" for number in range(len(ADDRESSES))]
    first, others = names[0], names[1:]
    with ExitStack() as stack:
        for name in names:
            made = _ip("netns", "add", name)
            if made.returncode:
                pytest.skip(f"network namespaces are not permitted here: {made.stderr.strip()}")
            stack.callback(_ip, "netns", "del", name)
            _ip("-n", name, "link", "set", "lo", "up", check=True)
        _ip("-n", first, "link", "add", "bridge", "type", "bridge", check=True)
        _with_address(first, "bridge", ADDRESSES[0])
        for number, (name, address) in enumerate(zip(others, ADDRESSES[1:], strict=True)):
            port = f"port{number}"
            _ip("-n", first, "link", "add", port, "type", "veth", "peer", "eth0", "netns", name,
                check=True)  # fmt: skip
            _ip("-n", first, "link", "set", port, "master", "bridge", "up", check=True)
            _with_address(name, "eth0", address)
        yield {
            address: ["ip", "netns", "exec", name]
            for name, address in zip(names, ADDRESSES, strict=True)
        }


def _with_address(host: str, interface: str, address: str) -> None:
    _ip("-n", host, "address", "add", f"{address}/24", "dev", interface, check=True)
    _ip("-n", host, "link", "set", interface, "up", check=True)


def _ip(*arguments: str, check: bool = False) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=check)
