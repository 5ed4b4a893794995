"""Why a vLLM failed, found in its log: in any prefix style, among any noise."""

from __future__ import annotations

import csv
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grace.serving.doctor.log_lines import read_lines
from grace.serving.doctor.logs import find_cause, read_log
from grace.serving.doctor.signatures import signatures
from tests.places import SHARED
from tests.serving.doctor_corpus import HARMLESS, HEALTHY, ORDINARY, PREFIXES, buried
from tests.serving.doctor_lines import LINES

SAMPLES = SHARED / "data/samples"
CASES = SHARED / "data/doctor_cases.csv"

WARNED = (
    "(APIServer pid=13) WARNING 11-27 23:53:03 [system_utils.py:255] Found ulimit of 20000. This "
    "can cause fd limit errors like `OSError: [Errno 24] Too many open files`. Consider\n"
)
CORE = (
    "(EngineCore pid=12) ERROR 11-27 23:56:43 [core.py:1510] Exception: WorkerProc initialization "
    "failed due to an exception in a background process. See stack trace for root cause.\n"
)
END = "RuntimeError: Engine core initialization failed. See root cause above. Failed procs: {}\n"
READY = "INFO:     Application startup complete.\n"


def worker(name: str, said: str) -> str:
    return f"({name} pid=14) ERROR 11-27 23:56:42 [multiproc_executor.py:953] {said}\n"


def ids(log: str) -> list[str]:
    return [finding.id for finding in read_log(log, "x.log")]


@pytest.mark.parametrize(("name", "line"), LINES)
def test_a_line_among_ordinary_ones(name: str, line: str) -> None:
    found = read_log(buried(line, PREFIXES["plain"]), "x.log")
    assert [finding.id for finding in found] == [name]
    assert found[0].place == "x.log:121"


@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_line_in_every_prefix_style(prefix: str) -> None:
    wrong = []
    for name, line in LINES:
        found = read_log(buried(line, PREFIXES[prefix], at=7, of=24), "x.log")
        if [(f.id, f.place) for f in found] != [(name, "x.log:8")]:
            wrong.append((name, line, found))
    assert wrong == []


noise = st.lists(
    st.sampled_from(ORDINARY) | st.text(st.characters(categories=("L", "N", "Zs")), max_size=60),
    max_size=12,
)


@given(st.sampled_from(LINES), st.sampled_from(list(PREFIXES)), noise, noise)
@settings(max_examples=150, deadline=None)
@example(LINES[0], "plain", [], [])
def test_any_place_among_any_noise(
    case: tuple[str, str], prefix: str, before: list[str], after: list[str]
) -> None:
    name, line = case
    log = "\n".join(map(PREFIXES[prefix], [*before, line, *after]))
    found = read_log(log, "x.log")
    assert [(f.id, f.place) for f in found] == [(name, f"x.log:{len(before) + 1}")]


@given(st.lists(st.text(max_size=200), max_size=20))
@settings(max_examples=200, deadline=None)
def test_no_text_is_too_strange_to_be_read(lines: list[str]) -> None:
    log = "\n".join(lines)
    for finding in read_log(log, "x.log"):
        number = int(finding.place.removeprefix("x.log:"))
        assert 1 <= number <= log.count("\n") + 1


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_healthy_log_draws_nothing(prefix: str) -> None:
    passing = [line for name, line in LINES if name in ("compile-wait", "fd-limit")]
    lines = [*HEALTHY[:4], *passing, *HEALTHY[4:]]
    assert ids("\n".join(map(PREFIXES[prefix], lines))) == []
    assert ids("") == []


@pytest.mark.parametrize("prefix", ["plain", "kubectl, both", "docker's file", "windows"])
@pytest.mark.parametrize("name", HARMLESS)
def test_what_a_server_goes_on_after_draws_nothing(name: str, prefix: str) -> None:
    before, after = HARMLESS[name]
    lines = [*HEALTHY[:9], *before, *HEALTHY[9:], *after]
    assert ids("\n".join(map(PREFIXES[prefix], lines))) == []
    assert ids("\n".join(map(PREFIXES[prefix], [*lines, *HEALTHY[-3:]]))) == []


def test_a_prompt_hides_nothing_that_comes_after_it() -> None:
    asked = [*HEALTHY, *HARMLESS["what users ask"][1]]
    dead = "(EngineCore_DP0 pid=272) ERROR 10-01 10:02:00 [core.py:1] KeyError: 'x'"
    assert ids("\n".join([*asked, dead])) == ["unknown"]
    cut = "INFO 10-01 10:01:00 [logger.py:40] Received request cmpl-3: prompt: 'What is"
    (found,) = read_log("\n".join([*HEALTHY, cut, "so", dead]), "x.log")
    assert found.place == f"x.log:{len(HEALTHY) + 3}"


@pytest.mark.parametrize(
    "said",
    [
        "(EngineCore_DP0 pid=272) ERROR 10-01 10:02:00 [core.py:1] KeyError: 'x'",
        "Traceback (most recent call last):\n  File \"x.py\", line 1\nKeyError: 'x'",
        "Segmentation fault (core dumped)",
    ],
)
def test_a_server_that_died_later_is_told(said: str) -> None:
    assert ids("\n".join([*HEALTHY, said])) == ["unknown"]


def test_a_start_that_failed_before_one_that_went_well_draws_nothing() -> None:
    failed = [*HEALTHY[:9], *["x"] * 6, "OSError: [Errno 98] Address already in use", END.strip()]
    assert ids("\n".join(failed)) == ["port-in-use"]
    assert ids("\n".join([*failed, *HEALTHY])) == []
    assert ids("\n".join([*HEALTHY, *failed])) == ["port-in-use"]
    assert ids("\n".join([*failed, *HEALTHY, *HEALTHY[:9], dict(LINES)["weights-cut"]])) == [
        "weights-cut"
    ]


def test_of_what_is_harmless_the_last_is_told_first() -> None:
    both = [dict(LINES)["compile-wait"], dict(LINES)["fd-limit"]]
    assert ids("\n".join(both)) == ["fd-limit", "compile-wait"]
    assert ids("\n".join(both[::-1])) == ["compile-wait", "fd-limit"]


def test_what_is_harmless_before_it_is_ready_is_told_where_it_never_was() -> None:
    hang = dict(LINES)["compile-wait"]
    assert ids(f"{hang}\n{READY}") == []
    assert ids(f"{hang}\n") == ["compile-wait"]
    assert ids(f"{READY}{hang}\n") == ["compile-wait"]
    assert ids(f"{WARNED}OSError: [Errno 98] Address already in use\n") == ["port-in-use"]


def test_what_is_harmless_is_never_why_a_server_ended() -> None:
    """A server that was killed leaves its warnings, and no error."""
    assert find_cause(WARNED) is None
    assert find_cause(dict(LINES)["compile-wait"]) is None
    assert find_cause("OSError: [Errno 24] Too many open files") is not None


def test_a_workers_error_stands_before_what_follows_from_it() -> None:
    log = WARNED + worker("Worker", "RuntimeError: it broke") + CORE + END + "SystemExit: 1\n"
    (found,) = read_log(log, "x.log")
    assert (found.id, found.line, found.place) == ("unknown", "RuntimeError: it broke", "x.log:2")


def test_of_many_ranks_the_first_to_fail_tells() -> None:
    log = worker("Worker_TP1", "KeyError: 'a'") + worker("Worker_TP1", "RuntimeError: it broke")
    log += worker("Worker_TP0", "RuntimeError: the other rank has gone") * 300 + CORE + END
    (found,) = read_log(log, "x.log")
    assert found.line == "RuntimeError: it broke"


def test_a_known_cause_of_one_rank_stands_before_that_of_another() -> None:
    log = worker(
        "Worker_TP1", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1 MiB"
    )
    log += worker("Worker_TP0", "DistBackendError: NCCL error in: x.cpp:1, remote process exited")
    assert ids(log + CORE + END)[0] == "oom-load"


@pytest.mark.parametrize("name", ["Engine core", "never ready"])
def test_a_consequence_alone_is_told_as_one(name: str) -> None:
    said = END if name == "Engine core" else "error: vLLM was not ready within 60 s\n"
    (found,) = read_log(ORDINARY[0] + "\n" + said, "x.log")
    assert found.id == "engine-dead"
    assert "the cause stands further above" in found.cause


@given(st.sampled_from(LINES), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_cause_comes_before_its_consequence(case: tuple[str, str], first: bool) -> None:
    name, line = case
    if name in ("engine-dead", "compile-wait", "fd-limit") or "INFO" in line:
        return
    found = ids(f"{END}{line}\n" if first else f"{line}\n{END}")
    if name in ("api-key", "logprobs-limit", "token-ids-limit", "tokenizer-mismatch",
                "context-too-small"):  # fmt: skip
        assert set(found) == {"engine-dead", name}  # a request that was refused ends no engine
    else:
        assert found == [name]


def test_pydantics_words_stand_in_the_next_line() -> None:
    log = (
        WARNED
        + "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig\n"
        "  Value error, It is too long. [type=value_error, input_value=ArgsKwargs((), {})]\n"
        "    For further information visit https://errors.pydantic.dev/2/v/value_error\n"
    )
    (found,) = read_log(log, "x.log")
    assert (found.line, found.place) == ("It is too long.", "x.log:3")


#: What "out of memory" means, by when it happened: three remedies that contradict each other.
TRIED = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 512.00 MiB."
LOADING = "INFO 10-01 10:00:00 [gpu_model_runner.py:1] Starting to load model /models/x...\n"
LOADED = "INFO 10-01 10:00:09 [gpu_model_runner.py:2] Model loading took 15.2 GiB and 9 seconds\n"
CALL = 'worker.py", line 1, in '


@pytest.mark.parametrize(
    ("log", "name", "helps"),
    [
        (LOADING + TRIED, "oom-load", "tensor-parallel-size"),
        (LOADING + LOADED + TRIED, "oom-serving", "max-num-seqs"),
        (LOADING + LOADED + READY + TRIED, "oom-serving", "max-num-seqs"),
        (f'  File "{CALL}load_model\n    x()\n{TRIED}', "oom-load", "tensor-parallel-size"),
        (f'  File "{CALL}profile_run\n    x()\n{TRIED}', "oom-serving", "max-num-seqs"),
        (f'  File "{CALL}compute_logits\n    x()\n{TRIED}', "oom-serving", "max-num-seqs"),
        # How far another process had come tells less than the amount.
        (f"(Worker pid=4) {LOADED}{TRIED}", "oom-load", "tensor-parallel-size"),
        (f"(Worker pid=4) {LOADED}(Worker pid=4) {TRIED}", "oom-serving", "max-num-seqs"),
        ("ValueError: No available memory for the cache blocks.", "kv-none", "raise"),
    ],
)
def test_three_kinds_of_too_little_memory(log: str, name: str, helps: str) -> None:
    (found,) = read_log(log, "x.log")
    assert found.id == name
    assert helps in found.remedy


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("kv-too-small", "serve.args.max-model-len=74384"),
        ("kv-too-small-old", "serve.args.max-model-len=31264"),
        ("len-over-config", "serve.args.max-model-len=8192"),
        ("port-in-use", "serve.args.port=0"),
        ("tp-heads", "divisor of 40"),
        ("too-few-gpus", "serve.args.tensor-parallel-size=4"),
        ("quant-mismatch", "serve.args.quantization=null"),
        ("argument-unknown", "--max-seq-length"),
        ("no-chat-template", "model.chat=false"),
        ("logprobs-limit", "serve.args.max-logprobs=25"),
    ],
)
def test_remedies_hold_what_the_line_says(name: str, remedy: str) -> None:
    line = next(line for known, line in LINES if known == name)
    found = find_cause(line)
    assert found is not None
    assert remedy in found.remedy
    assert remedy in str(found)


def test_of_several_starts_the_last_comes_first() -> None:
    begin = "INFO 10-01 10:00:00 [api_server.py:1] vLLM API server version 0.11.0\n" + 9 * "x\n"
    first, last = dict(LINES)["weights-cut"], "OSError: [Errno 98] Address already in use"
    assert ids(f"{begin}{first}\n{begin}{last}\n") == ["port-in-use", "weights-cut"]


def test_the_token_is_told_before_the_model_that_it_hides() -> None:
    log = (
        "GatedRepoError: 401 Client Error. (Request ID: Root=1-67)\n"
        "Cannot access gated repo for url https://huggingface.co/google/gemma-2-9b-it\n"
        "OSError: You are trying to access a gated repo.\n"
    )
    assert ids(log) == ["gated-401"]


def test_structured_logs() -> None:
    line = '{"level": "ERROR", "message": "ValueError: Token id 9 is out of vocabulary", "t": 1}'
    assert ids(line) == ["tokenizer-mismatch"]
    assert next(read_lines(line)).level == "ERROR"


def test_signatures_are_whole() -> None:
    for signature in signatures():
        wanted = set(re.findall(r"\{(\w+)\}", signature.remedy))
        assert wanted <= signature.pattern.groupindex.keys(), signature.id
        assert signature.cause
        assert signature.remedy
        assert signature.since
        assert set(signature.yields) <= {other.id for other in signatures()}
    assert len({signature.id for signature in signatures()}) >= 45


#: What each of the recorded logs died of, and a few of the words that say so.
RECORDED = {
    "arch": ("arch-unsupported", "FooForCausalLM"),
    "badarg": ("argument-unknown", "--gpu-memory-utilisation"),
    "fp8": ("quant-no-kernel", "static_scaled_fp8_quant"),
    "kvsmall": ("kv-too-small", "estimated maximum model length is 1024"),
    "kvzero": ("kv-none", "No available memory for the"),
    "nopath": ("path-missing", "/models/none"),
    "nosuch": ("not-cached", "cached snapshot folder"),
    "noweights": ("weights-missing", "any model weights"),
    "online_gated": ("hub-unreachable", "couldn't connect to 'https://huggingface.co'"),
    "port": ("port-in-use", "Address already in use"),
    "quant": ("quant-unknown", "Unknown quantization method: awqx"),
    "ram": ("ram-cpu", "Available memory on node 0"),
    "remote": ("trust-remote-code", "contains custom code"),
    "toolong": ("len-over-config", "User-specified max_model_len (99999)"),
    "tp": ("tp-heads", "attention heads (9)"),
    "trunc": ("weights-cut", "incomplete metadata"),
}


def recorded(name: str) -> str:
    path = SAMPLES / name
    if not path.is_file():
        pytest.skip("the recorded logs are not here")
    return path.read_bytes().decode("utf-8", "replace")


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_logs(name: str) -> None:
    log = recorded(f"fail_{name}.log")
    for prefix in ("plain", "kubectl, both", "docker's file"):
        collected = "\n".join(map(PREFIXES[prefix], log.split("\n")))
        found = read_log(collected, "x.log")
        assert [finding.id for finding in found] == [RECORDED[name][0]]
        assert RECORDED[name][1] in found[0].line
        number = int(found[0].place.removeprefix("x.log:"))
        assert RECORDED[name][1] in log.split("\n")[number - 1]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_the_recorded_start_draws_nothing(prefix: str) -> None:
    log = recorded("startup_0.32_cpu.log")
    assert ids("\n".join(map(PREFIXES[prefix], log.split("\n")))) == []


@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_known_case(prefix: str) -> None:
    if not CASES.is_file():
        pytest.skip("the known cases are not here")
    rows = list(csv.DictReader(CASES.open(encoding="utf-8")))
    assert len(rows) >= 35
    for row in rows:
        found = read_log(buried(row["log_line"], PREFIXES[prefix], at=40, of=60), "x.log")
        assert [(f.id, f.place) for f in found] == [(row["id"], "x.log:41")]
