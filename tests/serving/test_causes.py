"""Why a vLLM failed, found in its log."""

from __future__ import annotations

import re

import pytest

from grace.serving.causes import find_cause, read_lines, signatures
from tests.places import SHARED

SAMPLES = SHARED / "data/samples"

WARNED = (
    "(APIServer pid=13) WARNING 11-27 23:53:03 [system_utils.py:255] Found ulimit of 20000. This "
    "can cause fd limit errors like `OSError: [Errno 24] Too many open files`. Consider\n"
)
CORE = (
    "(EngineCore pid=12) ERROR 11-27 23:56:43 [core.py:1510] Exception: WorkerProc initialization "
    "failed due to an exception in a background process. See stack trace for root cause.\n"
)
END = "RuntimeError: Engine core initialization failed. See root cause above. Failed procs: {}\n"


def worker(name: str, said: str) -> str:
    return f"({name} pid=14) ERROR 11-27 23:56:42 [multiproc_executor.py:953] {said}\n"


def told(log: str) -> str:
    found = find_cause(log)
    assert found is not None
    return str(found)


def test_a_workers_error_stands_before_what_follows_from_it() -> None:
    log = WARNED + worker("Worker", "RuntimeError: it broke") + CORE + END + "SystemExit: 1\n"
    assert told(log) == "RuntimeError: it broke"
    assert find_cause(log).line.number == 2  # type: ignore[union-attr]


def test_of_many_ranks_the_first_to_fail_tells() -> None:
    log = worker("Worker_TP1", "KeyError: 'a'") + worker("Worker_TP1", "RuntimeError: it broke")
    log += worker("Worker_TP0", "RuntimeError: the other rank has gone") * 300 + CORE + END
    assert told(log) == "RuntimeError: it broke"


def test_pydantics_words_stand_in_the_next_line() -> None:
    log = (
        WARNED
        + "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig\n"
        "  Value error, It is too long. [type=value_error, input_value=ArgsKwargs((), {})]\n"
        "    For further information visit https://errors.pydantic.dev/2/v/value_error\n"
    )
    assert told(log) == "It is too long."


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "2026-11-27T23:56:42.123456789Z ",
        "2026-11-27T23:56:42.123456789Z stderr F ",
        "[pod/vllm-0/server] ",
        "vllm-1  | ",
        "Nov 27 23:56:42 node7 python[123]: ",
        "(RayWorkerWrapper pid=99, ip=10.0.0.3) ",
        "\x1b[36m",
        "loading 3%\rloading 100%\r",
    ],
)
def test_prefixes_of_what_collects_logs(prefix: str) -> None:
    core = "(EngineCore pid=77) ERROR 11-27 23:58:05 [core.py:1510] ValueError: It is too small"
    log = "".join(f"{prefix}{line}\n" for line in (core, *END.splitlines()))
    assert told(log) == "ValueError: It is too small"
    assert next(line.process for line in read_lines(log)) == "EngineCore"


@pytest.mark.parametrize(
    ("line", "name", "remedy"),
    [
        ("ValueError: No available memory for the cache blocks. Try", "kv-none", "raise"),
        (
            "ValueError: To serve at least one request with the model's max seq len (8192), more "
            "is needed. Based on the memory, the estimated maximum model length is 1024. Try",
            "kv-too-small",
            "serve.args.max-model-len=1024",
        ),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried", "oom-load", "nvidia-smi"),
        ("OSError: [Errno 98] Address already in use", "port-in-use", "serve.args.port"),
        ("OSError: [Errno 28] No space left on device", "disk-full", "HF_HOME"),
        (
            "  Value error, Total number of attention heads (9) must be divisible by tensor "
            "parallel size (2). [type=value_error]",
            "tp-heads",
            "divides 9",
        ),
        ("api.py: error: unrecognized arguments: --x", "argument-unknown", "leave out --x"),
    ],
)
def test_known_causes_come_with_what_helps(line: str, name: str, remedy: str) -> None:
    found = find_cause(f"{WARNED}{line}\n{END}")
    assert found is not None
    assert found.id == name
    assert remedy in str(found)


def test_a_warning_that_quotes_an_error_is_none() -> None:
    assert (
        find_cause(WARNED * 3 + "INFO 11-27 23:56:42 [a.py:1] Application startup complete.")
        is None
    )
    assert find_cause("") is None


def test_signatures_are_whole() -> None:
    names = [signature.id for signature in signatures()]
    assert len(names) == len(set(names)) >= 25
    for signature in signatures():
        wanted = set(re.findall(r"\{(\w+)\}", signature.remedy))
        assert wanted <= signature.pattern.groupindex.keys(), signature.id
        assert signature.cause
        assert signature.since


#: What each of the recorded logs died of, by a few of the words that say so.
RECORDED = {
    "arch": "FooForCausalLM",
    "badarg": "--gpu-memory-utilisation",
    "fp8": "static_scaled_fp8_quant",
    "kvsmall": "estimated maximum model length is 1024",
    "kvzero": "No available memory for the",
    "nopath": "/models/none",
    "nosuch": "cached snapshot folder",
    "noweights": "any model weights",
    "online_gated": "couldn't connect to 'https://huggingface.co'",
    "port": "Address already in use",
    "quant": "Unknown quantization method: awqx",
    "ram": "Available memory on node 0",
    "remote": "contains custom code",
    "toolong": "User-specified max_model_len (99999)",
    "tp": "attention heads (9)",
    "trunc": "incomplete metadata",
}


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_logs(name: str) -> None:
    path = SAMPLES / f"fail_{name}.log"
    if not path.is_file():
        pytest.skip("the recorded logs are not here")
    assert RECORDED[name] in told(path.read_text(encoding="utf-8", errors="replace"))
