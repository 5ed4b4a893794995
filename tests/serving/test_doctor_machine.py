"""What would go wrong with a start, found before anything is started."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from grace.serving import machine
from grace.serving.doctor import before_start as before
from grace.serving.doctor.before_start import before_start
from grace.serving.doctor.memory import of_limits, of_memory
from grace.serving.installed import Installed
from tests.places import ROOT
from tests.serving.test_doctor import Tiny, doctor, settings
from tests.serving.test_serve import STANDIN, cards

LIMITS = ("tp-heads", "len-over-config")


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The stand-in for vLLM, asked by this Python."""
    monkeypatch.setenv("PYTHONPATH", f"{STANDIN}{os.pathsep}{ROOT}")
    return [f"serve.python={sys.executable}"]


def test_nothing_is_in_the_way(tiny: Tiny, vllm: list[str], tmp_path: Path) -> None:
    words = [f"model.path={tiny('llama-byte')}", "serve.args.port=0", *vllm]
    assert doctor(*words, cwd=tmp_path, code=0) == []


def test_a_port_in_use(tiny: Tiny, vllm: list[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        asked = settings(f"model.path={tiny('llama-byte')}", f"serve.args.port={port}", *vllm)
        (found,) = before_start(asked)
    assert found.id == "port-in-use"
    assert f"(pid {os.getpid()})" in found.cause
    assert "serve.args.port=0" in found.remedy


def test_a_folder_that_is_not_there(tmp_path: Path, vllm: list[str]) -> None:
    asked = settings(f"model.path={tmp_path / 'none'}", "serve.args.port=0", *vllm)
    assert [found.id for found in before_start(asked)] == ["path-missing"]
    (tmp_path / "none").mkdir()
    assert [found.id for found in before_start(asked)] == ["weights-missing"]


def test_an_argument_that_vllm_does_not_know(tiny: Tiny, vllm: list[str]) -> None:
    words = [f"model.path={tiny('llama-byte')}", "serve.args.port=0", "serve.args.max-num-seq=3"]
    (found,) = before_start(settings(*words, *vllm))
    assert found.id == "argument-unknown"
    assert "did you mean max-num-seqs" in found.cause


def test_a_gated_model_without_a_token(monkeypatch: pytest.MonkeyPatch, vllm: list[str]) -> None:
    monkeypatch.setattr("grace.serving.machine.may_download", lambda model: False)
    monkeypatch.setattr("grace.serving.machine.available_memory", lambda: 1000.0)
    found = before_start(settings("model=gemma-9b", "serve.args.port=0", *vllm))
    assert found[0].id == "gated-401"
    assert "HF_TOKEN" in found[0].remedy


def smi(folder: Path, monkeypatch: pytest.MonkeyPatch, driver: str, capability: str) -> None:
    """A machine with one card, a driver and a compute capability."""
    cards(folder, 1, 40, monkeypatch)
    tool = folder / "nvidia-smi"
    tool.write_text(
        "#!/bin/sh\ncase $1 in *driver*) echo " + driver + ";; *compute_cap*) echo " + capability
        + ";; *) echo 'Card, 40960, 40960';; esac\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("driver", "cuda", "capability", "words", "expected"),
    [
        ("580.65.06", "13.0", "9.0", [], []),
        ("535.104.05", "13.0", "9.0", [], ["driver-old"]),
        ("535.104.05", "12.8", "9.0", [], []),
        ("580.65.06", "12.8", "7.5", ["serve.args.dtype=bfloat16"], ["bf16-old-gpu"]),
        ("580.65.06", "12.8", "7.5", ["serve.args.dtype=float16"], []),
        ("580.65.06", "12.8", "7.0", ["serve.args.dtype=float16", "serve.args.quantization=awq"],
         ["quant-capability"]),
    ],
)  # fmt: skip
def test_cards_driver_and_build(
    driver: str, cuda: str, capability: str, words: list[str], expected: list[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    smi(tmp_path, monkeypatch, driver, capability)
    assert machine.driver() == driver
    asked = settings("model=llama-8b", *words)
    installed = Installed("python", "0.32.0", "cuda", frozenset(), "", cuda)
    found = before._of_cards(asked.model, asked.serve.args, installed, cpu=False)
    assert [one.id for one in found] == expected


@pytest.mark.parametrize(
    ("n", "gib", "words", "expected"),
    [
        (1, 40, ["model=gemma-9b"], []),
        (1, 16, ["model=gemma-9b"], ["oom-load"]),
        (0, 0, ["model=gemma-9b"], ["no-gpu"]),
        (2, 80, ["model=llama-70b"], ["too-few-gpus"]),
        (1, 24, ["model=llama-8b", "serve.args.max-model-len=131072"], ["kv-too-small"]),
        (1, 16, ["model=llama-8b", "serve.args.gpu-memory-utilization=0.99"], ["kv-none"]),
        (3, 80, ["model=llama-8b", "serve.args.tensor-parallel-size=3"], ["tp-heads"]),
    ],
)
def test_memory_by_capacity(
    n: int, gib: int, words: list[str], expected: list[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if n:
        cards(tmp_path, n, gib, monkeypatch)
    asked = settings(*words)
    given = frozenset(word.partition("=")[0] for word in words)
    found = list(of_memory(asked, asked.serve.args, machine.gpus(), given, cpu=False))
    assert [one.id for one in found] == expected
    if expected == ["kv-too-small"]:  # what is advised fits
        advised = found[0].remedy.partition(",")[0]
        again = settings(words[0], advised)
        assert not list(of_memory(again, again.serve.args, machine.gpus(), given, cpu=False))


@pytest.mark.parametrize(
    ("words", "expected", "remedy"),
    [
        (["model=smollm2-135m", "serve.args.tensor-parallel-size=2"], ["tp-heads"], "size=1"),
        (["model=llama-8b", "serve.args.tensor-parallel-size=6"], ["tp-heads"], "size=4"),
        (["model=gemma-9b", "serve.args.max-model-len=99999"], ["len-over-config"], "len=8192"),
        (["model=gemma-9b", "serve.args.max-model-len=8192"], [], ""),
        (["model=llama-8b", "serve.args.tensor-parallel-size=4"], [], ""),
    ],
)
def test_what_the_model_does_not_allow_is_told_without_a_card(
    words: list[str], expected: list[str], remedy: str
) -> None:
    asked = settings(*words)
    found = list(of_limits(asked.model, asked.serve.args))
    assert [one.id for one in found] == expected
    assert all(one.remedy.endswith(remedy) for one in found)
    assert [one.id for one in before_start(asked) if one.id in LIMITS] == expected


def test_disk_and_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grace.serving.machine.free_disk", lambda folder: 0.5)
    asked = settings("model=llama-70b")
    (disk,) = before._of_disk(asked.model, asked.serve.args)
    assert disk.id == "disk-full"
    assert "HF_HOME" in disk.remedy
    (shared,) = before._of_shared_memory({"tensor-parallel-size": 4}, cpu=False)
    assert shared.id == "shm-small"
    assert list(before._of_shared_memory({}, cpu=False)) == []
