"""`python -m grace.materials`: build the stimuli that come with Grace from readable files.

python -m grace.materials            data/materials/study?.yaml -> data/study?.csv
python -m grace.materials check=true do the CSV files agree with the materials?
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from grace.config import OK, plain_main, read_words, shipped
from grace.config.folder_arguments import switch, whole
from grace.config.manual.commands import MATERIALS
from grace.errors import ConfigError
from grace.stimuli import make_stimuli
from grace.stimuli.materials import Wanted
from grace.stimuli.stories import STUDIES


def build_stimuli(words: Sequence[str]) -> int:
    """Write or compare the CSV files of the studies; returns the exit code."""
    wanted = read_wanted(words)
    for study in wanted.studies:
        print(make_stimuli(study, wanted))
    return OK


def read_wanted(words: Sequence[str]) -> Wanted:
    """The words as they are needed; ConfigError says which is wrong."""
    others, settings = read_words(words, MATERIALS, runs=0)
    if others:
        raise ConfigError(f"{others[0]}: expected setting=value ({MATERIALS.program} --help)")
    study = settings.get("study", "all")
    if study not in (*STUDIES, "all"):
        raise ConfigError(f"study={study}: expected one of {', '.join(STUDIES)}, all")
    return Wanted(
        studies=tuple(STUDIES) if study == "all" else (study,),
        output=Path(settings.get("output", "data")),
        materials=Path(settings.get("materials", shipped("data") / "materials")),
        check=switch(settings, "check"),
        participants=whole(settings, "participants", 1, 1_000_000),
        seed=whole(settings, "seed", 0, 2**63 - 1),
    )


if __name__ == "__main__":
    plain_main(build_stimuli)
