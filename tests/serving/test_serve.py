"""Starting a server: what is refused before, and that it starts, ends and leaves nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest

import grace
from grace.config.command_line import compose
from grace.config.settings import Settings, read_settings
from grace.errors import ConfigError
from grace.serving import checks, machine
from grace.serving.arguments import known_options, unknown_arguments, words, wrong_dtype
from grace.serving.launch import prepare
from tests.places import ROOT
from tests.runs.test_run import command

STANDIN = ROOT / "tests" / "engines" / "vllm" / "standin"
STARTED: list[subprocess.Popen[str]] = []
Tiny = Callable[[str], Path]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """A test that fails leaves no server behind."""
    yield
    while STARTED:
        process = STARTED.pop()
        process.kill()
        process.communicate()


def settings(*overrides: str) -> Settings:
    return read_settings(compose(overrides))


def serve(
    *overrides: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    module: str = "grace.serve",
    deaf: bool = False,
) -> subprocess.Popen[str]:
    """A command of Grace with the stand-in for vLLM, running."""
    environment = os.environ | {"PYTHONPATH": f"{STANDIN}{os.pathsep}{ROOT}", "COLUMNS": "200"}
    process = subprocess.Popen(
        command(*overrides, f"serve.python={sys.executable}", module=module),
        cwd=cwd, env=environment | dict(env or {}), text=True,
        preexec_fn=(lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) if deaf else None,  # noqa: PLW1509
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    STARTED.append(process)
    return process


def until(process: subprocess.Popen[str], word: str) -> str:
    """What it prints up to a word."""
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if word in line:
            return said
    raise AssertionError(f"it ended before {word!r}:\n{said}")


def tiny_words(folder: Path, port: int = 0) -> list[str]:
    return [f"model.path={folder}", "model.name=tiny", f"serve.args.port={port}"]


@pytest.mark.parametrize("deaf", [False, True], ids=["terminal", "background"])
def test_it_serves_until_ctrl_c(deaf: bool, tiny: Tiny, tmp_path: Path) -> None:
    """In the background of a script, SIGINT is ignored from the start."""
    process = serve(*tiny_words(tiny("llama-byte")), cwd=tmp_path, deaf=deaf)
    said = until(process, "Ctrl-C stops it")
    assert "Ready at http://127.0.0.1:" in said
    assert "engine.endpoints=http://127.0.0.1:" in said
    (child,) = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0, rest
    assert not child.is_running()


@pytest.mark.full
def test_it_ends_when_its_parent_is_killed(tiny: Tiny, tmp_path: Path) -> None:
    process = serve(*tiny_words(tiny("llama-byte")), cwd=tmp_path)
    until(process, "Ctrl-C stops it")
    (child,) = psutil.Process(process.pid).children()
    process.kill()
    process.wait()
    child.wait(timeout=20)


@pytest.mark.parametrize(
    ("fails", "expected"),
    [
        ("memory", "MemoryError: no room for the keys and values"),
        ("never", "was not ready within 2 s"),
        ("later", "RuntimeError: the engine died"),
    ],
)
@pytest.mark.full
def test_a_server_that_fails_says_why(
    fails: str, expected: str, tiny: Tiny, tmp_path: Path
) -> None:
    wanted = ["serve.ready_within=2"] if fails == "never" else []
    process = serve(
        *tiny_words(tiny("llama-byte")), *wanted, cwd=tmp_path, env={"STANDIN_FAILS": fails}
    )
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert expected in said
    assert "Traceback" not in said
    assert "outputs/serve/tiny.log" in said


@pytest.mark.full
def test_a_managed_run_starts_and_stops_its_server(tiny: Tiny, tmp_path: Path) -> None:
    secret = {"GRACE_API_KEY": "qz-secret-key"}
    wanted = ["engine=vllm", "engine.managed=true", "pilot=2"]
    process = serve(
        *tiny_words(tiny("llama-byte")), *wanted, cwd=tmp_path, env=secret, module="grace.run"
    )
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert "qz-secret-key" not in said
    result = grace.load(tmp_path / "outputs/1/2/tiny")
    assert result.manifest["engine"]["kind"] == "vllm"
    assert result.manifest["counts"]["failed"] == 0
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "tiny.log" for path in files)
    assert not [path for path in files if b"qz-secret-key" in path.read_bytes()]
    assert not [
        p for p in psutil.process_iter(["cmdline"])
        if str(tiny("llama-byte")) in (p.info["cmdline"] or []) and p.pid != os.getpid()
    ]  # fmt: skip


def test_managed_and_endpoints_contradict_each_other() -> None:
    with pytest.raises(ConfigError, match="managed=true starts a server of its own"):
        settings("engine=vllm", "engine.managed=true", "engine.endpoints=[http://a:1/v1]")


def refusal(*overrides: str, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    process = serve(*overrides, cwd=cwd, env=env)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1, said
    assert said.count("\n") == 1, said
    return said


def test_an_unknown_argument_is_told_with_the_nearest(tiny: Tiny, tmp_path: Path) -> None:
    said = refusal(*tiny_words(tiny("llama-byte")), "serve.args.max_num_seq=3", cwd=tmp_path)
    assert "serve.args.max-num-seq: vLLM 0.32.0 has no such argument; did you mean max-" in said


def test_a_wrong_value_is_told_by_vllms_own_parser(tiny: Tiny, tmp_path: Path) -> None:
    said = refusal(*tiny_words(tiny("llama-byte")), "serve.args.block-size=many", cwd=tmp_path)
    assert "argument --block-size: invalid int value: 'many'" in said


def test_a_port_in_use_is_told_with_its_owner(tiny: Tiny, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refusal(*tiny_words(tiny("llama-byte"), port), cwd=tmp_path)
    assert f"port {port} is in use by " in said
    assert f"(pid {os.getpid()})" in said


def test_a_gated_model_without_a_token_is_refused(tmp_path: Path) -> None:
    nothing = {"HF_HOME": str(tmp_path), "HF_TOKEN": "", "HUGGING_FACE_HUB_TOKEN": ""}
    said = refusal("model=gemma-9b", cwd=tmp_path, env=nothing)
    assert "google/gemma-2-9b-it is gated" in said
    assert "HF_TOKEN" in said


def test_a_model_that_cannot_fit_is_refused(tmp_path: Path) -> None:
    said = refusal("model=deepseek-v3", cwd=tmp_path)
    assert "deepseek-v3 needs 627.0 GiB of memory here" in said


def test_an_unknown_model_is_refused(tmp_path: Path) -> None:
    assert "gemma-99b" in refusal("model=gemma-99b", cwd=tmp_path)


@pytest.mark.parametrize(
    ("model", "dtype", "refused"),
    [
        ("gemma-9b", "float16", True),
        ("gemma-2b", "half", True),
        ("gemma-9b", "bfloat16", False),
        ("gemma-1-2b", "float16", False),
        ("llama-8b", "float16", False),
    ],
)
def test_float16_is_refused_for_gemma_2_alone(model: str, dtype: str, refused: bool) -> None:
    asked = settings(f"model={model}", f"serve.args.dtype={dtype}")
    assert bool(wrong_dtype(asked.model, asked.serve.args)) is refused


def test_a_dry_run_prints_the_command_and_starts_nothing(tiny: Tiny, tmp_path: Path) -> None:
    process = serve(
        *tiny_words(tiny("llama-byte"), 8123), "serve.args.enable-prefix-caching=false",
        "serve.args.speculative-config={method:ngram}", "dry_run=true", cwd=tmp_path,
    )  # fmt: skip
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    line = said.splitlines()[-1]
    assert f"-m vllm.entrypoints.openai.api_server --model {tiny('llama-byte')}" in line
    assert "--served-model-name tiny" in line
    assert "--no-enable-prefix-caching" in line
    assert """--speculative-config '{"method": "ngram"}'""" in line
    assert "--host 127.0.0.1 --port 8123" in line
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_outweighs_the_model_and_that_the_defaults() -> None:
    plain = settings("model=gemma-9b").serve.args
    assert plain["max-num-seqs"] == 128  # the model's
    assert plain["host"] == "127.0.0.1"  # the default
    assert plain["max-model-len"] == 4096
    assert plain["served-model-name"] == "gemma-9b"
    changed = settings("model=gemma-9b", "serve.args.max_num_seqs=7", "serve.args.host=::1")
    assert changed.serve.args["max-num-seqs"] == 7
    assert changed.serve.args["host"] == "::1"


def test_a_key_on_the_command_line_is_refused() -> None:
    with pytest.raises(ConfigError, match="GRACE_API_KEY"):
        prepare(settings("serve.args.api-key=qz"))


def test_arguments_as_words() -> None:
    given = {"a": True, "b": False, "c": [1, 2], "d": {"k": 1}, "e": "x"}
    assert words("m", given) == [
        "--model", "m", "--a", "--no-b", "--c", "1", "2", "--d", '{"k": 1}', "--e", "x",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["quantization", "speculative-config", "enable-prefix-caching", "enable-chunked-prefill",
     "tensor-parallel-size", "data-parallel-size", "max-num-seqs", "enable-lora", "lora-modules"],
)  # fmt: skip
def test_arguments_are_known_without_vllm(name: str) -> None:
    assert unknown_arguments([name], known_options(), "0.32") == []
    assert unknown_arguments([f"{name}x"], known_options(), "0.32") != []


def cards(folder: Path, n: int, gib: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose driver's tool tells of so many cards."""
    tool = folder / "nvidia-smi"
    row = f"NVIDIA A100-SXM4-{gib}GB, {gib * 1024}, {gib * 1024}"
    tool.write_text("#!/bin/sh\n" + "\n".join([f"echo '{row}'"] * n) + "\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("model", "n", "gib", "problem"),
    [
        ("gemma-9b", 1, 40, None),
        ("gemma-9b", 1, 16, "cannot fit"),
        ("llama-70b", 4, 80, None),
        ("llama-70b", 4, 40, None),  # tight
        ("llama-70b", 2, 80, "spread over 4 GPUs and there are 2"),
        ("deepseek-v3", 8, 141, None),
        ("deepseek-v3", 8, 80, "cannot fit"),
    ],
)
def test_whether_a_model_fits(
    model: str, n: int, gib: int, problem: str | None, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    cards(tmp_path, n, gib, monkeypatch)
    found = machine.gpus()
    assert len(found) == n
    asked = settings(f"model={model}")
    says = checks.memory_problem(asked.model, asked.serve.args, found, None)
    assert (says is None) == (problem is None), says
    assert problem is None or problem in str(says)


def test_fewer_bytes_a_parameter_take_less_memory() -> None:
    asked = settings("model=llama-70b").model
    sizes = [
        checks.weights_gib(asked, arguments)
        for arguments in ({}, {"quantization": "fp8"}, {"quantization": "awq"})
    ]
    assert sizes[0] == pytest.approx(131.5, abs=0.1)
    assert sizes == sorted(sizes, reverse=True)  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("gib", "said"), [("0.5", "--kv-cache-memory-bytes 536870912"), ("3", "KVCACHE_SPACE=3 ")]
)
def test_parts_of_a_gib_for_keys_and_values_on_the_cpu(
    gib: str, said: str, tiny: Tiny, tmp_path: Path
) -> None:
    """vLLM's own variable takes whole numbers alone."""
    words = [f"serve.cpu_cache_gib={gib}", "dry_run=true"]
    process = serve(*tiny_words(tiny("llama-byte")), *words, cwd=tmp_path)
    told, _ = process.communicate(timeout=60)
    assert said in told
    assert ("KVCACHE_SPACE" in told) == (gib == "3")


def test_an_address_for_others_is_noted(tiny: Tiny, tmp_path: Path) -> None:
    process = serve(
        *tiny_words(tiny("llama-byte")), "serve.args.host=0.0.0.0", "dry_run=true", cwd=tmp_path
    )
    said, _ = process.communicate(timeout=60)
    assert "note: the server listens on 0.0.0.0, where others can reach it" in said
