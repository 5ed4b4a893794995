"""Where a store may keep a write-ahead log.

WAL shares memory between the processes that have a store open; on a network file system they
may sit on different machines, which share none, and a rollback journal is the safe way.
"""

from __future__ import annotations

from pathlib import Path

_NETWORK = {
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "fhgfs",
    "glusterfs",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs3",
    "nfs4",
    "orangefs",
    "panfs",
    "pvfs2",
    "smb",
    "smb2",
    "smb3",
    "smbfs",
    "virtiofs",
    "wekafs",
}
_NETWORK_FUSE = {
    "beegfs",
    "ceph",
    "cvmfs2",
    "glusterfs",
    "grpcfuse",
    "juicefs",
    "osxfs",
    "quobyte",
    "rclone",
    "s3fs",
    "seaweedfs",
    "sshfs",
}
_MOUNTS = Path("/proc/self/mountinfo")


def network_file_system(path: Path) -> str:
    """The network file system that a path lies on; "" where there is none or none is known."""
    if not _MOUNTS.exists():
        return ""
    kind = mounted(path.resolve(), _MOUNTS.read_text("utf-8", "surrogateescape"))
    remote = kind in _NETWORK or kind.removeprefix("fuse.") in _NETWORK_FUSE
    return kind if remote else ""


def mounted(path: Path, mounts: str) -> str:
    """The kind of file system at a path: the deepest mount above it, of equals the last."""
    depth, kind = -1, ""
    for line in mounts.splitlines():
        place, _, source = line.partition(" - ")
        point = Path(_unescape(place.split(" ")[4]))
        if path.is_relative_to(point) and len(point.parts) >= depth:
            depth, kind = len(point.parts), source.split(" ")[0]
    return kind


def _unescape(text: str) -> str:
    """Space, tab, newline and backslash are written as three octal digits."""
    for octal in ("040", "011", "012", "134"):
        text = text.replace(f"\\{octal}", chr(int(octal, 8)))
    return text
