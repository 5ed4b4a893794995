"""What a store's key notices of a model: all that its numbers depend on, and nothing else."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import grace
from grace.config.settings import LocalSettings, ModelSettings
from grace.engines.hub import cached_commit
from grace.engines.local import LocalEngine
from grace.engines.local.digests import weight_files
from grace.engines.local.model_files import find_source, folder_hash
from grace.errors import ConfigError
from grace.runs.resume import model_stamp
from grace.store import Store
from grace.store.encode import decode_prompt, encode_prompt
from grace.store.engines import engine_hash
from grace.types import (
    UNCHANGED_SINCE,
    EngineInfo,
    Message,
    Option,
    Prompt,
    Query,
    Sampling,
)
from tests.store.test_files import run_sql

Tiny = Callable[[str], Path]
Edit = Callable[[Path], None]


@pytest.fixture
def folder(tiny: Tiny, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny("llama-byte"), tmp_path / "model"))


def info(**model: Any) -> EngineInfo:
    return LocalEngine(ModelSettings(name="tiny", **model), LocalSettings(kind="local")).info


def edited(name: str, **entries: Any) -> Edit:
    """Sets entries of a JSON file."""

    def edit(folder: Path) -> None:
        path = folder / name
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        path.write_text(json.dumps(found | entries), encoding="utf-8")

    return edit


def written(name: str, text: str) -> Edit:
    def edit(folder: Path) -> None:
        (folder / name).write_text(text, encoding="utf-8")

    return edit


def new_merges(folder: Path) -> None:
    path = folder / "tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"Ġ"', '"Ġ" '), encoding="utf-8")


def same_size_and_time(folder: Path) -> None:
    """Other weights, in a file that looks as old and as large as before."""
    path = folder / "model.safetensors"
    content, stat = bytearray(path.read_bytes()), path.stat()
    content[-4:] = b"\x00\x00\x00\x40"
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [
        edited("config.json", rope_parameters={"rope_theta": 500.0, "rope_type": "default"}),
        edited("config.json", sliding_window=8),
        edited("config.json", final_logit_softcapping=30.0),
        edited("config.json", rms_norm_eps=0.1),
        edited("config.json", tie_word_embeddings=True),
        edited("generation_config.json", eos_token_id=[1, 4]),
        edited("tokenizer_config.json", add_bos_token=True),
        edited("special_tokens_map.json", bos_token="<s>"),
        edited("quantize_config.json", bits=4),
        written("modeling_own.py", "x = 1"),
        new_merges,
        same_size_and_time,
    ],
)
def test_what_changes_numbers_changes_the_key(folder: Path, change: Edit) -> None:
    before = engine_hash(info(path=str(folder)))
    change(folder)
    assert engine_hash(info(path=str(folder))) != before


@pytest.mark.parametrize(
    "change",
    [
        edited("config.json", transformers_version="5.99", _name_or_path="x", dtype="bfloat16"),
        edited("generation_config.json", temperature=0.3, top_k=5),
        edited("tokenizer_config.json", chat_template="{{ messages }}", name_or_path="x"),
        written("chat_template.jinja", "{{ messages }}"),
        written("README.md", "A model."),
        lambda folder: os.utime(folder / "config.json"),
    ],
)
def test_what_does_not_leaves_it(folder: Path, change: Edit) -> None:
    """A chat template stands, rendered, in every prompt's own key."""
    edited("generation_config.json")(folder)
    before = engine_hash(info(path=str(folder)))
    change(folder)
    assert engine_hash(info(path=str(folder))) == before


def test_a_name_that_is_a_folder_is_known_by_its_files(folder: Path) -> None:
    assert engine_hash(info(id=str(folder))) == engine_hash(info(path=str(folder)))


@pytest.mark.parametrize("index", ["model.safetensors.index.json", "model.fp16.index.json"])
def test_weights_that_an_index_names_are_in_the_key(folder: Path, index: str) -> None:
    """They may lie in a folder beneath, from which transformers reads them as well."""
    (folder / "w").mkdir()
    weights = (folder / "model.safetensors").rename(folder / "w" / "a.safetensors")
    (folder / index).write_text(json.dumps({"weight_map": {"x": "w/a.safetensors"}}))
    settings = ModelSettings(name="tiny", path=str(folder))
    before, stamp = info(path=str(folder)), model_stamp(settings)
    assert weight_files(folder) == [weights]
    content = bytearray(weights.read_bytes())
    content[-4:] = b"\x00\x00\x00\x40"
    weights.write_bytes(content)
    assert info(path=str(folder)).revision != before.revision
    assert model_stamp(settings) != stamp


def test_an_index_of_the_folder_s_own_files_changes_no_key(folder: Path) -> None:
    before = info(path=str(folder)).revision
    for text in ('{"weight_map": {"x": "model.safetensors", "y": "none"}}', "[]", "{", '{"a": 1}'):
        (folder / "model.safetensors.index.json").write_text(text)
        assert info(path=str(folder)).revision == before


def test_the_model_beneath_an_adapter_is_in_the_key(folder: Path, tmp_path: Path) -> None:
    base = shutil.copytree(folder, tmp_path / "base")
    edited("adapter_config.json", base_model_name_or_path=str(base))(folder)
    before, _ = folder_hash(folder)
    assert folder_hash(folder)[0] == before
    same_size_and_time(base)
    assert folder_hash(folder)[0] != before


def test_an_adapter_is_not_silently_left_out(folder: Path) -> None:
    edited("adapter_config.json", peft_type="LORA")(folder)
    with pytest.raises(ConfigError, match=r"holds an adapter \(adapter_config.json\)"):
        find_source(ModelSettings(name="tiny", path=str(folder)))


# On the hub


def publish(cache: Path, model: Path, commit: str) -> Path:
    """A commit of lab/tiny in the hub's cache, as the hub's client leaves it; main is there."""
    base = cache / "hub" / "models--lab--tiny"
    snapshot = base / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (base / "blobs").mkdir(exist_ok=True)
    (base / "refs").mkdir(exist_ok=True)
    for path in model.iterdir():
        content = path.read_bytes()
        blob = b"blob %d\0" % len(content) + content
        large = path.suffix == ".safetensors"
        name = (hashlib.sha256(content) if large else hashlib.sha1(blob)).hexdigest()
        (base / "blobs" / name).write_bytes(content)
        (snapshot / path.name).symlink_to(Path("../../blobs") / name)
    (base / "refs" / "main").write_text(commit)
    return snapshot


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the hub, and no network."""
    from huggingface_hub import constants

    cache = tmp_path / "cache"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("transformers.utils.hub.is_offline_mode", lambda: True)
    return cache


def test_a_model_of_the_hub_is_known_by_its_commit(hub: Path, folder: Path) -> None:
    publish(hub, folder, "a" * 40)
    first = info(id="lab/tiny")
    assert (first.revision, first.config) == ("a" * 40, "")
    edited("config.json", rms_norm_eps=0.1)(folder)
    publish(hub, folder, "b" * 40)
    second = info(id="lab/tiny")
    assert (second.revision, second.config) == ("b" * 40, "")
    assert cached_commit("lab/tiny") == "b" * 40
    # The one of before can still be had, under the key it had in 0.1.0.
    assert engine_hash(info(id="lab/tiny", revision="a" * 40)) == engine_hash(first)


def test_a_commit_edited_in_the_cache_is_another_model(hub: Path, folder: Path) -> None:
    snapshot = publish(hub, folder, "a" * 40)
    before = info(id="lab/tiny")
    content = (snapshot / "config.json").read_bytes()
    (snapshot / "config.json").unlink()
    (snapshot / "config.json").write_bytes(content.replace(b"1e-06", b"1e-01"))
    after = info(id="lab/tiny")
    assert after.revision == before.revision
    assert engine_hash(after) != engine_hash(before)


def test_a_model_that_is_nowhere_is_told_in_a_sentence(hub: Path) -> None:
    with pytest.raises(ConfigError, match="model lab/none could not be loaded"):
        info(id="lab/none")


def test_what_ends_a_text_beside_the_models_own_ends_is_in_its_prompts_key(folder: Path) -> None:
    """Version 0.1.0 let such a text run on: its answer is none of this one's."""
    drawn = Query((Message("user", "Is it?"),), sampling=Sampling(0.7, 0.9, 20, 5))
    scored = Query((Message("user", "Is it?"),), (Option("yes", "yes"),))

    def prompts() -> list[Prompt]:
        engine = LocalEngine(
            ModelSettings(name="tiny", path=str(folder)), LocalSettings(kind="local")
        )
        found = asyncio.run(engine.prepare([drawn, scored]))
        return [prompt for prompt in found if isinstance(prompt, Prompt)]

    text, options = prompts()
    assert (text.ends, options.ends) == ((4,), ())  # <|im_end|>, which is no end of its own
    assert decode_prompt(encode_prompt(text)) == text
    edited("generation_config.json", eos_token_id=[1, 4])(folder)
    same, _ = prompts()
    assert same.ends == ()
    assert same.key == replace(text, ends=()).key != text.key


def test_a_model_that_changes_while_python_runs_is_loaded_again(folder: Path) -> None:
    before = grace.score(str(folder), ["Is it?"], ["yes", "no"])
    edited("config.json", rms_norm_eps=0.1)(folder)
    after = grace.score(str(folder), ["Is it?"], ["yes", "no"])
    assert not before["logprob"].equals(after["logprob"])


# In a run


def as_of_0_1_0(path: Path) -> None:
    """Take from a store what 0.1.0 did not know."""
    with Store.open(path) as store:
        (engine,) = store.engines()
    short = EngineInfo(**(vars(engine) | {"config": "", "details": {}}))
    run_sql(
        path,
        f"UPDATE engines SET hash = x'{engine_hash(short).hex()}', "
        f"info = CAST(json_remove(info, '$.config', '$.details.{UNCHANGED_SINCE}') AS BLOB)",
    )
    run_sql(path, "DROP TABLE aliases")
    run_sql(path, "PRAGMA user_version=1")


def test_a_run_takes_up_a_store_of_0_1_0(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("study=2", "exp=2", "pilot=2", f"model.path={folder}", "model.name=tiny")
    first = grace.run_study(*words)
    queries = first.manifest["counts"]["answered"]
    store = tmp_path / "outputs" / "answers.sqlite"
    as_of_0_1_0(store)
    again = grace.run_study(*words, "tag=again")
    assert f"{queries} answered before" in capsys.readouterr().out
    assert again.manifest["plan"]["unused"] == []
    assert again.responses.equals(first.responses)

    store.unlink()
    grace.run_study(*words, "tag=fresh")
    as_of_0_1_0(store)
    edited("config.json", rms_norm_eps=0.1)(folder)
    capsys.readouterr()
    changed = grace.run_study(*words, "tag=changed")
    said = " ".join(capsys.readouterr().out.split())
    assert f"{queries} answers are in the store and not used, for the version of Grace" in said
    assert [each["answers"] for each in changed.manifest["plan"]["unused"]] == [queries]
    assert not changed.responses["logprob"].equals(first.responses["logprob"])
