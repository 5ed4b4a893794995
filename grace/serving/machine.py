"""What this machine has: GPUs, memory, free ports, the right to download."""

from __future__ import annotations

import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from grace.config import ModelSettings

GIB = 2**30


@dataclass(frozen=True)
class Gpu:
    """One card and its memory in GiB."""

    name: str
    total: float
    free: float


def gpus() -> list[Gpu]:
    """The NVIDIA cards there are; none where the driver's tool is absent or fails."""
    rows = _told("name", "memory.total", "memory.free")
    try:
        return [Gpu(name, float(total) / 1024, float(free) / 1024) for name, total, free in rows]
    except ValueError:
        return []


def driver() -> str:
    """The version of the NVIDIA driver, empty where there is none."""
    rows = _told("driver_version")
    return rows[0][0] if rows and len(rows[0]) == 1 else ""


def compute_capability() -> float | None:
    """The least compute capability among the cards; None where it is not told."""
    try:
        return min((float(row[0]) for row in _told("compute_cap") if len(row) == 1), default=None)
    except ValueError:
        return None


def _told(*fields: str) -> list[list[str]]:
    """What the driver's tool says of each card."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    query = [f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(  # noqa: S603
            [tool, *query], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    return [[part.strip() for part in line.split(",")] for line in lines]


def free_disk(folder: Path) -> float | None:
    """Free room where a folder is, or will be, in GiB; None where that cannot be told."""
    for place in (folder, *folder.parents):
        try:
            return shutil.disk_usage(place).free / GIB
        except OSError:
            continue
    return None


def available_memory() -> float:
    """Main memory that a new process may have, in GiB."""
    import psutil

    return float(psutil.virtual_memory().available) / GIB


def port_is_free(host: str, port: int) -> bool:
    """Whether a server could listen there."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, proto) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError:
        return False
    return True


def free_port(host: str) -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def port_owner(port: int) -> str:
    """Who listens on a port, as far as this user may know: "python3 (pid 123)"."""
    import psutil

    try:
        for connection in psutil.net_connections("tcp"):
            address = connection.laddr
            if connection.status == psutil.CONN_LISTEN and address and address.port == port:
                if connection.pid is None:
                    break
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except (psutil.Error, OSError):
        pass
    return "a process that is not yours to see"


def listens(pid: int, port: int) -> bool:
    """Whether a process or one of its children listens on a port."""
    import psutil

    try:
        parent = psutil.Process(pid)
        family = [parent, *parent.children(recursive=True)]
        connections = [c for process in family for c in process.net_connections("tcp")]
    except psutil.Error:
        return False
    return any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections)


def may_download(model: ModelSettings) -> bool:
    """Whether a gated model's files are here already, or a token for them is."""
    from huggingface_hub import get_token, try_to_load_from_cache

    cached = try_to_load_from_cache(model.id, "config.json", revision=model.revision)
    return isinstance(cached, str) or get_token() is not None
