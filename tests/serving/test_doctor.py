"""grace.doctor as a command: what it looks at, what it writes, how it ends."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from grace.config import DoctorSettings, read_as
from grace.config.command_line import compose
from grace.errors import ConfigError
from grace.serving.doctor.examination import of_log, plan
from grace.serving.doctor.slowness import judge
from tests.engines.vllm.server import ModelServer
from tests.places import SHARED
from tests.runs.test_run import command
from tests.serving.doctor_corpus import HEALTHY
from tests.serving.doctor_lines import LINES

Tiny = Callable[[str], Path]
LINE = dict(LINES)


def doctor(
    *words: str, cwd: Path, env: Mapping[str, str] | None = None, code: int = 3
) -> list[dict[str, Any]]:
    """The findings of a command that ends with this code."""
    done = subprocess.run(
        command(*words, "output=it/found.json", module="grace.doctor"),
        cwd=cwd, env=os.environ | dict(env or {}), capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    written = json.loads((cwd / "it/found.json").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = written["findings"]
    for finding in found:
        assert finding.keys() == {"id", "cause", "remedy", "line", "place"}
        assert finding["id"] in done.stdout
    assert ("Nothing is wrong" in done.stdout) == (not found)
    return found


def names(found: list[dict[str, Any]]) -> list[str]:
    return [finding["id"] for finding in found]


def test_a_log(tmp_path: Path) -> None:
    log = tmp_path / "my log (2).txt"
    log.write_bytes(("\n".join([*HEALTHY[:6], LINE["len-over-config"]]) + "\n").encode())
    (found,) = doctor(f"log={log}", cwd=tmp_path)
    assert found["id"] == "len-over-config"
    assert found["remedy"] == "serve.args.max-model-len=8192"
    assert found["place"] == f"{log}:7"
    assert found["line"] == LINE["len-over-config"]


def test_a_healthy_log_and_where_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("\n".join(HEALTHY), encoding="utf-8")
    assert doctor("log=log", cwd=tmp_path, code=0) == []
    words = command("log=log", "model=gemma-9b", module="grace.doctor")
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
    written = json.loads((tmp_path / "outputs/gemma-9b/doctor.json").read_text())
    assert written["findings"] == []


def test_logs_of_other_encodings(tmp_path: Path) -> None:
    text = "ä\r\n" + LINE["port-in-use"].replace("\n", "\r\n")
    for encoding in ("utf-16", "utf-8-sig", "latin-1"):
        (tmp_path / "log").write_bytes(text.encode(encoding))
        (found,) = doctor("log=log", cwd=tmp_path)
        assert (found["id"], found["place"]) == ("port-in-use", "log:2")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "it is empty"),
        (b" \n\r\n", "it is empty"),
        (bytes(99), "it is empty"),
        (bytes(range(256)) * 40, "it is no text"),
        (gzip.compress(LINE["port-in-use"].encode()), "it is compressed (unpack it first: gunzip)"),
        (b"\x28\xb5\x2f\xfd" + bytes(range(99)), "it is compressed (unpack it first: unzstd)"),
    ],
    ids=["nothing", "blank", "zeros", "any bytes", "gzip", "zstd"],
)
def test_what_is_no_log(data: bytes, said: str, tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(data)
    with pytest.raises(ConfigError) as error:
        of_log(log)
    assert str(error.value) == f"log={log}: {said}; expected the log of a server, as text"
    log.write_bytes(bytes(5000) + f"Grüße ✓\n{LINE['port-in-use']}\n".encode())  # cut by logrotate
    assert [finding.id for finding in of_log(log)] == ["port-in-use"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "nothing to look at; expected log=FILE"),
        (("log=none",), "log=none: No such file"),
        (("log=.",), "log=.: Is a directory"),
        (("log=/dev/null",), "log=/dev/null: it is empty; expected the log of a server, as text"),
        (("url=localhost:80",), "url='localhost:80'; expected http://HOST:PORT"),
        (("pod=A B",), "pod=A B: expected the name of a pod"),
        (("model=gemma-99b",), "gemma-99b"),
        (("logs=x",), "logs: no such setting"),
    ],
)
def test_what_is_no_question(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = subprocess.run(
        command(*words, module="grace.doctor"), cwd=tmp_path, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_dry_run_says_what_would_be_looked_at(tmp_path: Path) -> None:
    done = subprocess.run(
        command("model=gemma-9b", "dry_run=true", module="grace.doctor"), cwd=tmp_path,
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "this machine, before a start of gemma-9b" in done.stdout
    assert list(tmp_path.iterdir()) == []


def settings(*words: str) -> DoctorSettings:
    return read_as(DoctorSettings, compose(words, "doctor"))


def test_the_machine_is_looked_at_only_where_a_model_is_named() -> None:
    with_model = frozenset({"model"})
    assert plan(settings("log=x", "model=gemma-9b"), with_model) == ["log=x"]
    assert plan(settings("url=http://a:1"), frozenset()) == ["url=http://a:1"]
    assert "gemma-9b" in plan(settings("model=gemma-9b"), with_model)[0]
    with pytest.raises(ConfigError, match="nothing to look at"):
        plan(settings("serve.args.port=1"), frozenset({"serve.args.port"}))


# Of a running server


def test_a_server_with_which_nothing_is_wrong(tiny: Tiny, tmp_path: Path) -> None:
    with ModelServer(tiny("llama-byte"), "tiny") as server:
        assert doctor(f"url={server.url}", cwd=tmp_path, code=0) == []


@pytest.mark.parametrize(
    ("words", "expected", "helps"),
    [
        (["model=gemma-9b"], "wrong-model", "served-model-name=gemma-9b"),
        ([], "context-too-small", "serve.args.max-model-len="),
    ],
)
def test_a_server_of_another_model_or_context(
    words: list[str], expected: str, helps: str, tiny: Tiny, tmp_path: Path
) -> None:
    with ModelServer(tiny("llama-byte"), "tiny", max_length=100) as server:
        found = doctor(f"url={server.url}", *words, cwd=tmp_path)
    assert names(found) == [expected]
    assert helps in found[0]["remedy"]


def test_a_key_that_is_refused_and_a_server_that_is_away(tiny: Tiny, tmp_path: Path) -> None:
    with ModelServer(tiny("llama-byte"), "tiny", key="right") as server:
        wrong, right = ({"GRACE_API_KEY": key} for key in ("wrong", "right"))
        (found,) = doctor(f"url={server.url}", cwd=tmp_path, env=wrong)
        assert found["id"] == "api-key"
        assert "GRACE_API_KEY" in found["remedy"]
        assert doctor(f"url={server.url}", cwd=tmp_path, env=right, code=0) == []
    assert names(doctor(f"url={server.url}", cwd=tmp_path)) == ["unreachable"]


class Skewed(ModelServer):
    """Shows log-probabilities that something was done to."""

    how = ""

    def answer(self, path: str, body: dict[str, Any]) -> Any:
        answer = super().answer(path, body)
        for choice in answer.get("choices", ()) if isinstance(answer, dict) else ():
            rows = (choice.get("logprobs") or {}).get("top_logprobs") or []
            choice.get("logprobs", {})["top_logprobs"] = [self.skewed(row, body) for row in rows]
        return answer

    def skewed(self, row: dict[str, float], body: dict[str, Any]) -> dict[str, float]:
        if self.how == "logits":
            return {token: value + 20 for token, value in row.items()}
        if self.how == "sum":
            return {token: value / 4 for token, value in row.items()}
        if self.how == "temperature":
            heat = body.get("temperature") or 1.0
            return {token: value / heat for token, value in row.items()}
        if self.how == "tokens" and "logprob_token_ids" in body:
            return {token: value - 3 for token, value in row.items()}
        return row


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("logits", "temperature"),
        ("sum", "temperature"),
        ("temperature", "temperature"),
        ("tokens", "wrong-tokens"),
    ],
)
def test_probabilities_that_do_not_add_up(
    how: str, expected: str, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Skewed, "how", how)
    with Skewed(tiny("llama-byte"), "tiny") as server:
        found = doctor(f"url={server.url}", cwd=tmp_path)
    assert names(found) == [expected]


def metrics(waiting: int = 0, preempted: int = 0, asked: int = 0, hits: int = 0) -> str:
    return (
        f'vllm:num_requests_waiting{{engine="0",model_name="a {{b}}"}} {waiting}.0\n'
        f'vllm:num_preemptions_total{{engine="0"}} {preempted}.0\n'
        'vllm:request_success_total{finished_reason="stop"} 100.0\n'
        f'vllm:prefix_cache_queries_total{{engine="0"}} {asked / 2}\n'
        f'vllm:prefix_cache_queries_total{{engine="1"}} {asked / 2}\n'
        f'vllm:prefix_cache_hits_total{{engine="0"}} {hits:e}\n'
    )


@pytest.mark.parametrize(
    ("before_it", "now", "expected"),
    [
        (metrics(), metrics(), []),
        (metrics(waiting=9), metrics(waiting=4), ["queue"]),
        (metrics(waiting=9), metrics(waiting=0), []),
        (metrics(), metrics(preempted=1), []),
        (metrics(), metrics(preempted=30), ["preemptions"]),
        (metrics(), metrics(asked=10**6, hits=100), ["cache-cold"]),
        (metrics(), metrics(asked=10**6, hits=10**5), []),
        (metrics(), 'vllm:cache_config_info{enable_prefix_caching="False"} 1.0\n', ["cache-off"]),
    ],
)
def test_what_makes_a_server_slow(before_it: str, now: str, expected: list[str]) -> None:
    assert [found.id for found in judge(before_it, now, "url")] == expected


def test_recorded_metrics_of_an_idle_server() -> None:
    path = SHARED / "data/samples/vllm_0.32_metrics.txt"
    if not path.is_file():
        pytest.skip("the recorded metrics are not here")
    text = path.read_text(encoding="utf-8")
    assert judge(text, text, "url") == []
