"""What the docs say of the code is so, and the code is as they say (see also test_pages)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.places import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_module_of_the_map_exists() -> None:
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    for name in re.findall(r"`(grace/[\w/.]+?)/?`", text):
        assert (ROOT / name).exists(), name


def test_no_module_is_over_400_lines() -> None:
    for path in [*ROOT.glob("grace/**/*.py"), *ROOT.glob("tests/**/*.py")]:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path


@pytest.mark.full
def test_an_installed_wheel_works_from_any_folder(
    tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    wheel, target, elsewhere = (tmp_path / name for name in ("wheel", "target", "elsewhere"))
    elsewhere.mkdir()
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(wheel), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (file,) = wheel.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(file)], check=True)
    words = ["study=2", "exp=2", "pilot=3", f"model.path={tiny('llama-byte')}"]
    done = subprocess.run(
        [sys.executable, "-m", "grace.run", *words], cwd=elsewhere, check=False,
        env=os.environ | {"PYTHONPATH": str(target)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    where = subprocess.run(
        [sys.executable, "-c", "import grace.config.resources as r; print(r.shipped('prompts'))"],
        cwd=elsewhere, check=True, env=os.environ | {"PYTHONPATH": str(target)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert where.stdout.startswith(str(target))
