"""grace.capacity: as vLLM's own logs have it, what it refuses, and what it writes."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from grace.config.compose import compose
from grace.config.settings import CapacitySettings, read_as
from grace.errors import ConfigError
from grace.serving.capacity import estimate, find_card, read_architecture
from grace.serving.capacity.cards import CARDS, Card, of_driver
from grace.serving.capacity.estimates import Row
from grace.serving.capacity.kv_cache import Kept, make_pool
from grace.serving.capacity.parameters import count_parameters
from grace.serving.capacity.reporting import report
from tests.config.test_model_registry import NAMES
from tests.places import ROOT, SHARED
from tests.runs.test_run import run
from tests.serving.architectures import CONFIGS

TINY = SHARED / "data/samples/tiny_configs"
#: The processor of the machine on which the logs were made.
MACHINE = frozenset({"avx512_bf16"})
WHOLE_LOG = ("serve.args.max-model-len=4096", "serve.args.kv-cache-memory-bytes=268435456",
             "serve.args.max-num-batched-tokens=512")  # fmt: skip


def settings(*words: str) -> tuple[CapacitySettings, frozenset[str]]:
    composed = compose(words, "capacity")
    return read_as(CapacitySettings, composed), composed.given  # type: ignore[attr-defined]


def rows(*words: str, card: Card | None = None, count: int = 1) -> tuple[Row, ...]:
    wanted, given = settings(*words)
    return estimate(wanted, card or find_card("a100-40"), count, given, MACHINE)


def everything(*words: str) -> dict[str, Any]:
    return report(*settings(*words))


def folder(tmp_path: Path, name: str) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(CONFIGS[name]), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "more", "blocks"),
    [
        ("gemma2", ["serve.args.block-size=32"], 10922),
        ("mla", [], 3640),
        ("hybrid", [], 4096),
        ("hybrid", ["serve.args.block-size=128"], 4096),
    ],
)
def test_the_tiny_models_are_as_logged(
    name: str, more: list[str], blocks: int, tmp_path: Path
) -> None:
    if not TINY.is_dir():
        pytest.skip("the tiny models' logs are not here")
    (tmp_path / "config.json").write_bytes((TINY / f"{name}.json").read_bytes())
    log = (TINY / f"{name}.log").read_text(encoding="utf-8")
    words = (f"model.path={tmp_path}", *WHOLE_LOG, *more)
    (row,) = rows(*words, card=Card("cpu", 20))
    tokens = int(re.findall(r"cache size: ([\d,]+)", log)[0].replace(",", ""))
    at_once = re.findall(r"request: ([\d.]+)x", log)[0]
    assert (row.tokens, f"{row.concurrency:.2f}") == (tokens, at_once)
    assert row.blocks == blocks
    if found := re.search(r"block size to (\d+)", log):
        assert row.block_size == int(found[1])


def test_the_bundled_model_is_as_logged() -> None:
    (row,) = rows("serve.args.max-model-len=2048", card=Card("cpu", 20))
    assert (row.blocks, row.tokens, row.concurrency) == (1456, 46_592, 22.75)
    assert (row.dtype, row.kv_gib, row.verdict) == ("float32", 2, "fits")


def test_a_states_block_is_as_logged() -> None:
    """granite-4.0-h-1b in a public log of 0.19: block 400, padded by 1.59%, 66.95 at once."""
    a = read_architecture(settings("model=granite-4.0-h-1b")[0].model)
    pool = make_pool(a, Kept(4096, 16, 2, (2, 2), 4096, prefix_caching=False), tp=1)
    assert (pool.block, round(pool.padding, 2)) == (400, 1.59)
    assert pool.blocks(4.09 * 2**30) == 1340
    assert (pool.tokens_by_block(1339), round(pool.concurrency(1339), 2)) == (53_200, 66.95)


#: Parameters as their makers publish them.
PUBLISHED = {
    "gemma-9b": 9_241_705_984, "gemma-2b": 2_614_341_888, "gemma-1-2b": 2_506_172_416,
    "llama-8b": 8_030_261_248, "llama-70b": 70_553_706_496, "mistral-7b": 7_248_023_552,
    "phi-3-mini": 3_821_079_552, "opt-125m": 125_239_296, "opt-350m": 331_196_416,
    "qwen3-0.6b": 596_049_920, "qwen3-8b": 8_190_735_360, "smollm2-135m": 134_515_008,
    "deepseek-v3": 671_026_419_200,
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_registrys_parameters_are_those_published(name: str) -> None:
    model = settings(f"model={name}")[0].model
    parts = count_parameters(read_architecture(model))
    assert parts is not None
    assert parts.total == pytest.approx(PUBLISHED.get(name, parts.total), rel=1e-6)
    assert parts.total / 1e9 == pytest.approx(model.parameters, rel=0.05)


#: Bytes of a token's keys and values in all layers: 2 · layers · heads · width · 2.
@pytest.mark.parametrize(
    ("name", "each"),
    [("llama-8b", 131_072), ("llama-70b", 327_680), ("mistral-7b", 131_072), ("qwen3-8b", 147_456),
     ("opt-125m", 36_864), ("granite-3.3-8b", 163_840), ("deepseek-v3", 70_272),
     ("gemma-1-2b", 18_432), ("granite-4.0-micro", 81_920)],
)  # fmt: skip
def test_a_token_takes_what_the_formula_says(name: str, each: int) -> None:
    (row,) = rows(f"model={name}", card=find_card("b200"))
    assert row.bytes_per_token == each


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        ("model=llama-70b gpu=a100-80", "does not fit"),
        ("model=llama-70b gpu=a100-40 count=4", "tight"),
        ("model=llama-70b gpu=a100-80 count=4", "fits"),
        ("model=deepseek-v3 gpu=a100-80 count=2", "does not fit"),
        ("model=deepseek-v3 gpu=h200 count=8", "fits"),
        ("model=gemma-9b gpu=t4", "not on this card"),
        ("model=gemma-2b gpu=t4", "not on this card"),
        ("model=gemma-9b gpu=a100-40", "fits"),
        ("model=gemma-9b gpu_gib=39.49", "fits"),
        ("model=llama-8b gpu=a100-40 serve.args.quantization=fp8", "not on this card"),
        ("model=llama-8b gpu=l40s serve.args.quantization=fp8", "fits"),
        ("model=llama-8b gpu=t4", "does not fit"),  # its type is auto: float16 there
    ],
)
def test_verdicts(words: str, verdict: str) -> None:
    found = everything(*words.split())
    assert found["rows"][-1]["verdict"] == verdict
    assert found["fits"] is (verdict in ("fits", "tight"))


def test_tight_is_also_where_one_gib_more_leaves_no_request() -> None:
    """20 GiB, of which 18.4 are used: 3.0 are left, and a request of 32,768 tokens takes 2.25."""
    words = ("model=qwen3-8b", "gpu_gib=21.4", "serve.args.max-model-len=16384", "count=1")
    (row,) = everything(*words)["rows"]
    assert row["kv_gib"] > 21.4 / 10
    assert row["tokens_low"] < row["max_length"] < row["tokens"]
    assert row["verdict"] == "tight"


def test_a_row_for_each_size_that_divides_the_heads() -> None:
    assert [r.tp for r in rows("model=llama-8b", count=9)] == [1, 2, 4, 8]
    assert [r.tp for r in rows("model=phi-3-mini", count=8)] == [1, 2, 4, 8]
    assert [r.tp for r in rows("serve.args.max-model-len=2048", count=9)] == [1, 3, 9]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("model=llama-8b serve.args.tensor-parallel-size=3", "does not divide 32 attention heads"),
        ("model=llama-8b count=2 serve.args.tensor-parallel-size=4", "no more than count=2"),
        ("model=gemma-9b serve.args.dtype=float16", "Gemma 2 overflows in float16"),
        ("model=gemma-9b serve.args.gpu-memory-utilization=1.2", "above 0, at most 1"),
        ("model=gemma-9b serve.args.max-model-len=none", "whole number"),
        ("model=gemma-9b serve.args.kv-cache-dtype=odd", "capacity does not count it"),
        ("model=gemma-9b serve.args.cpu-offload-gb=x", "expected a number of GiB"),
        ("model=gemma-9b gpu=a1000", "no such card; expected cpu, one of t4"),
        ("model=gemma-9b count=0", "count=0: expected 1 or more"),
        ("model=gemma-9b gpu_gib=-1", "gpu_gib=-1"),
        ("model=gemma-9b gpus=2", "gpus"),
        ("model.path=nowhere", "nowhere/config.json: No such file"),
    ],
)
def test_bad_input_is_one_sentence(words: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        everything(*(words if "gpu" in words else f"{words} gpu=a100-80").split())
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("[]", "expected names with values"),
        ("{", "not JSON"),
        ('{"model_type": "x", "hidden_size": 8}', "num_attention_heads is missing"),
        ('{"num_attention_heads": 2.5}', "num_attention_heads=2.5"),
        ('{"compress_ratios": [4]}', "compressed attention"),
        ('{"is_encoder_decoder": true}', "an encoder beside the decoder"),
    ],
)
def test_a_config_that_is_not_counted_is_refused(config: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config, encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(said)):
        everything(f"model.path={tmp_path}", "gpu=l4")


def test_known_weights_are_of_all_cards_or_of_one_as_logged(tmp_path: Path) -> None:
    """vLLM's log gives one card's share: it is told apart by what was counted, and said."""
    words = (f"model.path={folder(tmp_path, 'TechxGenus/Meta-Llama-3-70B-Instruct-AWQ')}",
             "gpu_gib=44.42", "count=2", "serve.args.max-model-len=8192")  # fmt: skip
    whole, share = (everything(*words, f"weights_gib={gib}") for gib in (37.1, 18.55))
    assert whole["rows"][-1]["weights_gib"] == pytest.approx(18.55, abs=0.02)
    assert share["rows"][-1]["weights_gib"] == pytest.approx(18.55)
    assert not any("one card's share" in note for note in whole["notes"])
    assert any("one card's share" in note for note in share["notes"])


def test_weights_on_the_disk_are_taken_as_they_are(tmp_path: Path) -> None:
    config = {**CONFIGS["Qwen/Qwen3-8B"], "model_type": "of-tomorrow", "intermediate_size": None}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    words = (f"model.path={tmp_path}", "gpu_gib=39.49", "serve.args.max-model-len=4096")
    with pytest.raises(ConfigError, match="weights_gib=NUMBER"):
        everything(*words)
    index = {"metadata": {"total_size": 16 * 2**30}, "weight_map": {}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    assert everything(*words)["rows"][0]["weights_gib"] == 16


def test_the_type_of_a_folder_is_its_own(tmp_path: Path) -> None:
    """And not that of the bundled model, for which the server's arguments were composed."""
    path = folder(tmp_path, "Qwen/Qwen3-8B")
    (row,) = rows(f"model.path={path}")
    assert (row.dtype, row.max_length) == ("bfloat16", 2048)
    (row,) = rows(f"model.path={path}", "serve.args.dtype=float32", "serve.args.max_model_len=4k")
    assert (row.dtype, row.max_length) == ("float32", 4000)


def test_a_variant_is_as_the_card_can() -> None:
    names = {
        gpu: sorted(
            {v["quantization"] for v in everything("model=llama-8b", f"gpu={gpu}")["variants"]}
        )
        for gpu in ("t4", "a100-40", "h100", "v100-32")
    }
    assert names == {"t4": ["awq", "gptq"], "a100-40": ["awq", "gptq"],
                     "h100": ["awq", "fp8", "gptq"], "v100-32": []}  # fmt: skip
    awq = [v for v in everything("model=llama-70b", "gpu=a100-80")["variants"] if v["tp"] == 1]
    assert awq[0]["weights_gib"] == pytest.approx(37.04, abs=0.1)
    assert awq[0]["verdict"] == "fits"


def test_the_smallest_set_fits_and_none_with_less_memory_does() -> None:
    found = everything("model=llama-70b", "gpu=a100-40", "count=4")["smallest"]
    assert (found["verdict"], found["count"] * found["gib"] > 0) == ("fits", True)
    for card in CARDS:
        for row in rows("model=llama-70b", card=card, count=8):
            if card.gib * row.tp < found["gib"] - 0.01 and card.name != "gb10":
                assert row.verdict != "fits", (card, row.tp)


def test_cards_by_any_of_their_names() -> None:
    for name in ("A100-40GB", "a100_40", "NVIDIA A100-SXM4-40GB", "a100-40"):
        assert find_card(name).gib == 39.49
    assert find_card("RTX 4090").name == find_card("4090").name == "rtx4090"
    assert of_driver("NVIDIA A100-SXM4-40GB", 40.0).name == "a100-40"
    assert of_driver("NVIDIA H100 80GB HBM3", 79.65).name == "h100"
    assert of_driver("NVIDIA GeForce RTX 4090", 23.99).name == "rtx4090"
    assert of_driver("NVIDIA Odd 9000", 20.26).gib == pytest.approx(20)


KEYS = {"tp", "weights_gib", "overhead_gib", "kv_gib", "bytes_per_token", "blocks", "tokens",
        "tokens_low", "tokens_high", "concurrency", "verdict"}  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code"),
    [("model=gemma-9b gpu=a100-40", 0), ("model=llama-70b gpu=a100-40 count=4", 0),
     ("model=llama-70b gpu=a100-80", 3), ("model=llama-8b serve.args.tensor-parallel-size=3", 1)],
)  # fmt: skip
def test_the_command(words: str, code: int, tmp_path: Path) -> None:
    said = run(*words.split(), cwd=tmp_path, module="grace.capacity", code=code)
    written = sorted(tmp_path.rglob("*.json"))
    if code == 1:
        assert said.startswith("error: serve.args.tensor-parallel-size=3: ")
        assert not list(tmp_path.iterdir())
        return
    name = words.split(maxsplit=1)[0].partition("=")[2]
    assert written == [tmp_path / "outputs" / name / "capacity.json"]
    found = json.loads(written[0].read_text(encoding="utf-8"))
    assert all(row.keys() >= KEYS for row in found["rows"])
    assert max(len(line) for line in said.splitlines() if "GiB" not in line) < 200


def test_the_file_goes_where_it_is_told(tmp_path: Path) -> None:
    run("model=qwen3-8b", "gpu=l4", "output=there/mine.json", cwd=tmp_path, module="grace.capacity")
    assert json.loads((tmp_path / "there/mine.json").read_text())["model"] == "qwen3-8b"


def test_it_is_quick_and_imports_nothing_heavy(tmp_path: Path) -> None:
    look = (
        "import sys, runpy\nsys.argv = ['x', 'model=gemma-9b', 'gpu=a100-40']\n"
        "try: runpy.run_module('grace.capacity', run_name='__main__', alter_sys=True)\n"
        "except SystemExit as end: print('EXIT', end.code)\n"
        "print('LOADED', sorted({'torch', 'transformers', 'pandas', 'openai'} & {*sys.modules}))"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run(
        [sys.executable, "-c", look], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "EXIT 0" in done.stdout
    assert "LOADED []" in done.stdout
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 1.5


class Metrics(BaseHTTPRequestHandler):
    """The metrics of a server, and nothing else."""

    text = (
        'vllm:num_requests_running{engine="0",model_name="smollm2-135m"} 0.0\n'
        'vllm:cache_config_info{block_size="32",gpu_memory_utilization="0.92",'
        'kv_cache_max_concurrency="22.75",kv_cache_memory_bytes="2147483648",'
        'kv_cache_size_tokens="46592",num_gpu_blocks="1456"} 1.0\n'
    )

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/metrics" else 404)
        self.end_headers()
        self.wfile.write(self.text.encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def metrics() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Metrics) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_a_running_server_stands_beside_it(metrics: int) -> None:
    words = ("gpu=cpu", "gpu_gib=20", "serve.args.max-model-len=2048")
    found = everything(*words, f"url=http://127.0.0.1:{metrics}/v1")["server"]
    assert (found["blocks"], found["tokens"], found["concurrency"]) == (1456, 46_592, 22.75)
    assert found["difference"] == "calculated +0.0% for 1 of cpu"
    # Where nobody named one, only a server of the same model counts.
    assert everything(*words, f"serve.args.port={metrics}")["server"]["blocks"] == 1456
    other = ("model=qwen3-8b", "gpu=l4", f"serve.args.port={metrics}")
    assert everything(*other)["server"] is None


def test_a_server_that_does_not_answer_is_told() -> None:
    found = everything("gpu=cpu", "gpu_gib=20", "url=http://127.0.0.1:9")["server"]
    assert "cannot be asked" in found["problem"]


def test_the_page_names_every_card() -> None:
    page = (ROOT / "docs/capacity.md").read_text(encoding="utf-8")
    for card in CARDS:
        assert f"| `{card.name}` | {card.gib:.2f} | {card.capability} |" in page
