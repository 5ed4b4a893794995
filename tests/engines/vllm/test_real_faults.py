"""Faults of a real vLLM, mended one after another as grace.doctor says: `make test-faults`."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from grace.config import read_settings
from grace.config.command_line import compose
from grace.engines.local.bundled import bundled_model
from grace.serving import prepare
from tests.places import ROOT
from tests.runs.test_run import command, run

PYTHON = ROOT / ".venv-vllm" / "bin" / "python"
#: Seconds a start may take on a busy machine.
PATIENCE = 300
needs_vllm = pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-vllm: run make setup-vllm")


@contextmanager
def started(words: list[str], log: Path, env: Mapping[str, str] | None = None) -> Iterator[str]:
    """vLLM, without what grace.serve checks before: its URL once it answers, "" if it ends."""
    asked = [*words, f"serve.python={PYTHON}", "serve.args.enforce-eager=true"]
    launch = prepare(read_settings(compose(asked)), strict=False)
    environment = os.environ | launch.environment | dict(env or {})
    with log.open("w") as file:
        process = subprocess.Popen(
            launch.command, stdout=file, stderr=subprocess.STDOUT, env=environment,
            start_new_session=True,
        )  # fmt: skip
    try:
        end = time.monotonic() + PATIENCE
        while process.poll() is None:
            assert time.monotonic() < end, log.read_text()[-3000:]
            time.sleep(0.5)
            if "startup complete" in log.read_text(errors="replace") and healthy(launch.url):
                break
        yield launch.url if process.poll() is None else ""
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def healthy(url: str) -> bool:
    with suppress(OSError):
        return bool(urllib.request.urlopen(f"{url}/health", timeout=2).status == 200)
    return False


def doctor(*words: str, cwd: Path, env: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """The findings."""
    done = subprocess.run(
        command(*words, "output=doctor.json", module="grace.doctor"), cwd=cwd, timeout=120,
        env=os.environ | dict(env or {}), capture_output=True, text=True, check=False,
    )  # fmt: skip
    found: list[dict[str, Any]] = json.loads((cwd / "doctor.json").read_text())["findings"]
    assert done.returncode == (3 if found else 0), done.stdout + done.stderr
    return found


def pasted(remedy: str) -> str:
    """The first setting of a remedy."""
    found = re.search(r"(?:serve|model|exp|engine)[\w.-]*=[^\s,;]+", remedy)
    assert found, remedy
    return found[0]


def copy_without_template(folder: Path) -> Path:
    """The bundled model as a base model of one's own; its weights are cut."""
    source = bundled_model()[0]
    folder.mkdir()
    for path in source.iterdir():
        if path.name == "tokenizer_config.json":
            told = json.loads(path.read_text())
            told.pop("chat_template", None)
            (folder / path.name).write_text(json.dumps(told))
        elif path.suffix == ".safetensors":
            with path.open("rb") as weights:
                (folder / path.name).write_bytes(weights.read(1_000_000))
        elif path.name != "chat_template.jinja":
            (folder / path.name).symlink_to(path)
    return folder


@needs_vllm
@pytest.mark.vllm
def test_a_context_too_long_is_told_at_the_end_of_grace_serve(tmp_path: Path) -> None:
    """The one of them that every run of the real-server tests has: it fails in seconds."""
    done = subprocess.run(
        command(f"serve.python={PYTHON}", "serve.args.max-model-len=99999", "serve.args.port=0",
                module="grace.serve"),
        cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "User-specified max_model_len (99999)" in done.stderr
    assert "what helps: serve.args.max-model-len=8192" in done.stderr
    (found,) = doctor("log=outputs/serve/smollm2-135m.log", cwd=tmp_path)
    assert found["id"] == "len-over-config"
    assert pasted(found["remedy"]) == "serve.args.max-model-len=8192"


@needs_vllm
@pytest.mark.faults
def test_six_faults_are_mended_one_after_another(tmp_path: Path) -> None:
    """Each remedy takes its fault away, so that the next one shows."""
    folder, log = copy_without_template(tmp_path / "own"), tmp_path / "vllm.log"
    words = [f"model.path={folder}", "model.name=own", "serve.cpu_cache_gib=0.06"]
    given = {"serve.args.max-model-len": "serve.args.max-model-len=99999"}
    seen = []

    def one_fault() -> dict[str, Any]:
        with started([*words, *given.values()], log) as url:
            assert url == ""
        (found,) = doctor(f"log={log}", cwd=tmp_path)
        seen.append(found["id"])
        return found

    def paste(found: dict[str, Any]) -> None:
        setting = pasted(found["remedy"])
        given[setting.partition("=")[0]] = setting

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        given["serve.args.port"] = f"serve.args.port={taken.getsockname()[1]}"
        paste(one_fault())
    paste(one_fault())
    assert "download it again" in one_fault()["remedy"]
    for weights in bundled_model()[0].glob("*.safetensors"):
        (folder / weights.name).unlink()
        (folder / weights.name).symlink_to(weights)
    paste(one_fault())
    assert seen == ["port-in-use", "len-over-config", "weights-cut", "kv-too-small"]
    right, wrong = {"GRACE_API_KEY": "right"}, {"GRACE_API_KEY": "wrong"}
    with started([*words, *given.values()], log, {"VLLM_API_KEY": "right"}) as url:
        assert url, log.read_text()[-3000:]
        asked = (f"url={url}", *words[:2])
        (key,) = doctor(*asked, cwd=tmp_path, env=wrong)
        assert (key["id"], "GRACE_API_KEY" in key["remedy"]) == ("api-key", True)
        (template,) = doctor(*asked, cwd=tmp_path, env=right)
        assert template["id"] == "no-chat-template"
        chat = pasted(template["remedy"])
        assert doctor(*asked, chat, cwd=tmp_path, env=right) == []
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GRACE_API_KEY", "right")
            run(*words[:2], chat, "engine=vllm", f"engine.endpoints={url}/v1", "pilot=1",
                cwd=tmp_path)  # fmt: skip
    assert (tmp_path / "outputs/1/2/own/responses.csv").exists()
