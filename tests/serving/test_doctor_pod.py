"""What a pod's state and logs tell, through a stand-in for kubectl."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from grace.errors import ConfigError
from grace.serving.doctor.pod import of_pod
from tests.serving.doctor_corpus import HEALTHY
from tests.serving.doctor_lines import LINES

LINE = dict(LINES)


def kubectl(
    folder: Path, monkeypatch: pytest.MonkeyPatch, status: Mapping[str, Any], logs: tuple[str, str]
) -> Path:
    """A stand-in for kubectl; the words it is called with go into the file that comes back."""
    (folder / "pod.json").write_text(json.dumps({"status": status}))
    for name, text in zip(("now", "previous"), logs, strict=True):
        (folder / name).write_text(text)
    tool = folder / "kubectl"
    tool.write_text(
        f'#!/bin/sh\necho "$@" >> {folder}/called\ncase "$*" in\n'
        f"  *missing*) echo 'Error from server (NotFound): not found' >&2; exit 1;;\n"
        f"  get*) cat {folder}/pod.json;;\n  *--previous*) cat {folder}/previous;;\n"
        f"  *) cat {folder}/now;;\nesac\n"
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder / "called"


def ended(reason: str, code: int, restarts: int = 3) -> dict[str, Any]:
    last = {"terminated": {"reason": reason, "exitCode": code}}
    status = {"name": "server", "restartCount": restarts, "lastState": last, "state": {}}
    return {"containerStatuses": [status]}


@pytest.mark.parametrize(
    ("status", "logs", "expected"),
    [
        (ended("OOMKilled", 137), ("", HEALTHY[0]), ["oom-killed"]),
        (ended("Error", 143), ("", LINE["probe-short"]), ["probe-short"]),
        (ended("Error", 137), ("", HEALTHY[0]), ["probe-short"]),
        (ended("Error", 1), (HEALTHY[0], LINE["weights-cut"]), ["weights-cut"]),
        (ended("Completed", 0, 0), ("\n".join(HEALTHY), LINE["weights-cut"]), []),
        ({"containerStatuses": [{"name": "s", "restartCount": 0, "state": {"waiting": {
            "reason": "ImagePullBackOff", "message": "not found"}}}]}, ("", ""), ["image-missing"]),
        ({"conditions": [{"type": "PodScheduled", "status": "False", "message":
            "0/9 nodes are available: 9 Insufficient nvidia.com/gpu."}]}, ("", ""),
         ["unschedulable"]),
    ],
)  # fmt: skip
def test_a_pod(
    status: dict[str, Any], logs: tuple[str, str], expected: list[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    called = kubectl(tmp_path, monkeypatch, status, logs)
    found = of_pod("lab/vllm-0")
    assert [one.id for one in found] == expected
    for words in called.read_text().splitlines():  # it only reads
        assert words.split()[0] in ("get", "logs")
        assert "vllm-0 --namespace lab" in words


def test_a_pods_line_has_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kubectl(tmp_path, monkeypatch, ended("Error", 1), ("", f"a\n{LINE['weights-cut']}"))
    (found,) = of_pod("vllm-0")
    assert found.place == "pod/vllm-0 (previous log):2"
    with pytest.raises(ConfigError, match=r"kubectl says: Error from server \(NotFound\)"):
        of_pod("missing")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match="no kubectl is here"):
        of_pod("vllm-0")
