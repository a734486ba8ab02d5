"""The ports of a stage: chosen once, kept ever after, and named when somebody else sits on them."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Final

from backend.adapters.triton.server import HOST, Ports, free_ports
from backend.domain.serving import Stage

_PREFERRED: Final = {Stage.STAGING: 18000, Stage.PROD: 18010}
_LISTENING = "0A"


def choose_ports(stage: Stage) -> Ports:
    """The stage's usual three ports, or free ones when one of them is taken (another installation on this machine)."""
    first = _PREFERRED[stage]
    usual = Ports(http=first, grpc=first + 1, metrics=first + 2)
    return free_ports() if any(is_taken(port) for port in usual.all) else usual


def is_taken(port: int) -> bool:
    """Whether a server could not listen on the port of the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: closed connections may linger
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def describe_taken(ports: Ports) -> str:
    """Which of the ports is taken, and by whom if that can be seen; empty when all are free."""
    for port in ports.all:
        if is_taken(port):
            return f"Port {port}, which belongs to this endpoint's address, is taken by {_holder_of(port)}."
    return ""


def _holder_of(port: int) -> str:
    inodes = _listening_inodes(port)
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            target = str(descriptor.readlink())
            if target.removeprefix("socket:[").removesuffix("]") in inodes:
                process = descriptor.parents[1]
                return f"'{(process / 'comm').read_text().strip()}' (process {process.name})"
        except OSError:
            continue  # another user's process, or one that just ended
    return "another process"


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if int(fields[1].rpartition(":")[2], 16) == port and fields[3] == _LISTENING:
                inodes.add(fields[9])
    return inodes
