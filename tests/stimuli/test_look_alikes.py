"""Two texts that nobody can tell apart are refused where they would be two levels or two trials."""

from __future__ import annotations

from pathlib import Path

import pytest

from grace.errors import GraceError
from tests.config.study_folder import CSV, edited, load

HEADER = "person,cup,minutes\n"


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ("1,mug,0\n1,mug\u200b,60\n", ["row 2, column cup", "of row 1", "mug⟨U+200B⟩"]),
        ("1,é,0\n2,e\u0301,60\n", ["row 2, column cup", "(e⟨U+0301⟩, there ⟨U+00E9⟩)"]),
        ("1,a mug,0\n2,a\u00a0mug,60\n", ["row 2, column cup", "a⟨U+00A0⟩mug"]),
        ("1,mug,0\n\ufeff1,glass,60\n", ["row 2, column person", "⟨U+FEFF⟩1"]),
        ('1, "mug",0\n', ["row 1, column cup", "after a blank"]),
        ('1,"mug,0\n1,glass,60\n2,mug",60\n3,bowl,0\n', ["row 1, column cup", "3 lines"]),
    ],
)
def test_refused_by_row_and_column(rows: str, found: list[str], tmp_path: Path) -> None:
    edited(tmp_path, (CSV, None, HEADER + rows))
    with pytest.raises(GraceError) as caught:
        load(tmp_path)
    for words in found:
        assert words in str(caught.value)


def test_joiners_and_case_tell_texts_apart(tmp_path: Path) -> None:
    cups = ["می\u200cخواهم", "میخواهم", "mug", "Mug", "ﬁ", "fi"]
    rows = "".join(f"{n},{cup},{n}\n" for n, cup in enumerate(cups))
    edited(tmp_path, (CSV, None, HEADER + rows))
    assert [trial.values["cup"] for trial in load(tmp_path).stimuli.trials] == cups
