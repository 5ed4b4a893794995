"""A run leaves alone whatever an earlier one, or another program, left in the home folder."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from grace.engines.local import bundled
from tests.places import ROOT

NAME = f"smollm2-135m-{bundled.SOURCE[:16]}"
HUB = ".cache/huggingface/hub/models--HuggingFaceTB--SmolLM2-135M-Instruct"
SNAPSHOT = f"{HUB}/snapshots/0123456789012345678901234567890123456789"
POISON = {
    f".cache/grace/models/{NAME}/config.json": '{"model_type": "gpt2"}',
    f".cache/grace/models/{NAME}/model.safetensors": "no weights",
    f".cache/grace/models/{NAME}/tokenizer.json": "{}",
    ".cache/grace/hashes/" + "0" * 64: "1" * 64,
    f"{HUB}/refs/main": "0123456789012345678901234567890123456789",
    f"{SNAPSHOT}/config.json": '{"model_type": "gpt2"}',
    f"{SNAPSHOT}/model.safetensors": "no weights",
    f"{SNAPSHOT}/tokenizer.json": "{}",
    ".cache/huggingface/token": "hf_none",
    ".cache/matplotlib/fontlist-v390.json": "{",
    ".cache/torch/kernels/none": "",
    ".cache/vllm/torch_compile_cache/none": "",
    ".config/matplotlib/matplotlibrc": "font.size: 90\n",
    ".matplotlib/matplotlibrc": "font.size: 90\n",
    ".triton/cache/none": "",
}
# Where .ci/run sends each of them, and a user may.
ELSEWHERE = {
    "HF_HOME": "huggingface",
    "MPLCONFIGDIR": "matplotlib",
    "TORCHINDUCTOR_CACHE_DIR": "inductor",
    "TORCH_HOME": "torch",
    "TRITON_HOME": "triton",
    "XDG_CACHE_HOME": "xdg",
    "XDG_CONFIG_HOME": "config",
    "XDG_DATA_HOME": "data",
}


@pytest.mark.full
@pytest.mark.model
def test_the_pilot_in_a_home_full_of_caches(tmp_path: Path) -> None:
    """Each cache has a variable that names another place, and nothing in the home is opened."""
    home, place, opened = (tmp_path / name for name in ("home", "place", "opened"))
    place.mkdir()
    for name, text in POISON.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text, encoding="utf-8")
    environment = {key: text for key, text in os.environ.items() if not key.startswith("HF_")}
    environment |= {key: str(tmp_path / "fresh" / name) for key, name in ELSEWHERE.items()}
    environment |= {
        "GRACE_CACHE": str(bundled.cache_folder()),
        "GRACE_OPENED": str(opened),
        "GRACE_WATCHED": str(home),
        "HOME": str(home),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "tests" / "config" / "hiding"), str(ROOT)]),
    }
    words = ["study=1", "exp=2", "model=smollm2-135m", "pilot=2"]
    done = subprocess.run(
        [sys.executable, "-m", "grace.run", *words], cwd=place, env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not opened.exists(), opened.read_text(encoding="utf-8")

    table = place / "outputs" / "1" / "2" / "smollm2-135m" / "trials.csv"
    with table.open(newline="", encoding="utf-8") as file:
        rows = [
            (row["story_shortname"], row["access"], float(row["state2_mean"]))
            for row in csv.DictReader(file)
        ]
    assert len(rows) == 2
    assert rows[0][:2] == ("bowls", "3")
    assert rows[0][2] == pytest.approx(55.682145, abs=1e-4)


def test_a_watched_folder_that_is_read_is_noticed(tmp_path: Path) -> None:
    """The test above would fail: what opens a file there is noted."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "poison").write_text("", encoding="utf-8")
    environment = os.environ | {
        "GRACE_OPENED": str(tmp_path / "opened"),
        "GRACE_WATCHED": str(tmp_path / "home"),
        "PYTHONPATH": str(ROOT / "tests" / "config" / "hiding"),
    }
    code = "from pathlib import Path; Path('home/poison').read_text()"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    assert "poison" in (tmp_path / "opened").read_text(encoding="utf-8")
