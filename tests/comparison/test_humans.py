"""Human figures: the published tables, and the same from participant-level files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from grace.comparison.ceiling import ceiling, halves
from grace.comparison.humans import (
    participants_literal,
    people,
    published_bets,
    published_literal,
    published_production,
)
from grace.comparison.study1 import METRICS as METRICS1
from grace.comparison.study1 import noise_floor
from grace.comparison.study2 import METRICS as METRICS2
from grace.errors import GraceError

#: Goodman & Stuhlmüller (2013): word, access, trials, means and standard errors in percent.
BETS = [
    ("one", 1, 25, (0, 18.7, 30.1, 51.2), (0, 4.4, 4.5, 6.4)),
    ("one", 2, 26, (0.4, 38.1, 55.4, 6.1), (0.3, 6.2, 6.2, 3.7)),
    ("one", 3, 43, (0, 90.1, 4.7, 5.2), (0, 3.7, 1.6, 2.9)),
    ("two", 2, 25, (0, 0, 42.4, 57.6), (0, 0, 6.7, 6.7)),
    ("two", 3, 44, (0, 0.2, 90.3, 9.4), (0, 0.1, 4.0, 4.0)),
    ("three", 3, np.nan, (0, 0, 0.5, 99.5), (0, 0, 0.3, 0.3)),
]
#: Yoon et al. (2020): goals both, informative, kind, each with 0 to 3 hearts; “was” terrible,
#: bad, good, amazing, then “wasn't” the same.
PRODUCTION = """
 20 20 12 2 73 35 27 14 | 1 18 30 3 55 71 19 6 | 1 2 179 8 0 10 1 2 | 0 0 10 192 0 0 1 0
 118 26 3 0 15 4 32 5 | 3 72 9 1 28 32 49 9 | 0 2 172 2 4 17 1 5 | 1 1 13 185 1 2 0 0
 22 2 53 25 41 38 15 7 | 0 13 75 28 25 43 14 5 | 1 0 121 70 1 8 0 2 | 0 0 9 192 0 1 0 1
"""
#: Literal meanings, endorsements of 49: the eight utterances, each of 0 to 3 hearts.
LITERAL = """
 49 26 0 1 | 49 45 0 0 | 1 2 47 49 | 1 1 7 47 | 2 22 44 43 | 3 7 47 44 | 48 46 2 1 | 47 47 38 0
"""


def counts(text: str) -> np.ndarray:
    return np.array(
        [cell.split() for cell in text.replace("\n", "|").split("|") if cell.strip()], float
    )


def test_the_bets_are_the_published_ones() -> None:
    found = published_bets()
    for i, (word, access, n, means, se) in enumerate(BETS):
        assert found.design.cells[i] == (word, access)
        assert found.n[i] == pytest.approx(n, nan_ok=True)
        assert 100 * found.means[i] == pytest.approx(np.array(means))
        assert found.se is not None
        assert 100 * found.se[i] == pytest.approx(np.array(se))
    assert found.distribution.sum(axis=1) == pytest.approx(1)


def test_the_noise_floor_is_the_root_mean_square_of_the_errors() -> None:
    errors = np.array([se for *_, se in BETS])
    assert noise_floor(published_bets()) == pytest.approx(np.sqrt((errors**2).mean()))


def test_the_counts_are_the_published_ones() -> None:
    found = published_production()
    assert found.counts is not None
    assert (found.counts == counts(PRODUCTION)).all()
    assert (found.n == 203).all()
    endorsed, asked = published_literal()
    assert (endorsed == counts(LITERAL)).all()
    assert (asked == 49).all()


def test_participants_give_the_same_counts(human: Path) -> None:
    found = people("2", human / "speaker_production.csv")
    assert found.counts is not None
    assert (found.counts == counts(PRODUCTION)).all()
    assert found.panel is not None
    assert len(found.panel.names) == 203
    assert (found.panel.trials == 1).all()
    endorsed, asked = participants_literal(human / "literal_semantics.csv")
    assert (endorsed == counts(LITERAL)).all()
    assert (asked == 49).all()


def test_a_folder_of_files_gives_the_study_its_own(human: Path) -> None:
    assert people("2", human).source == f"{human / 'speaker_production.csv'}, 203 people"


AGREEMENT = {"r": (0.988, 0.0034), "tvd": (0.089, 0.0104), "jsd": (0.023, 0.0035)}


def test_halves_of_the_people_agree_as_published(human: Path) -> None:
    """The mean of many splits: within the rounding of the published three digits."""
    split = halves(people("2", human))
    found = {metric.name: ceiling(split, metric.of) for metric in METRICS2}
    assert found == pytest.approx({name: value for name, (value, _) in AGREEMENT.items()}, abs=6e-4)


def test_halves_from_counts_agree_like_halves_of_people() -> None:
    """A split of each cell's answers: within a tenth of the spread between single splits."""
    split = halves(people("2"))
    for metric in METRICS2:
        value, spread = AGREEMENT[metric.name]
        assert ceiling(split, metric.of) == pytest.approx(value, abs=spread / 5)


def test_halves_are_of_everybody_and_of_nobody_twice() -> None:
    reference = people("2")
    split = halves(reference, 50)
    assert split is not None
    assert reference.counts is not None
    one, two = (half * size for half, size in zip(split, (101, 102), strict=True))
    assert one + two == pytest.approx(np.broadcast_to(reference.counts, one.shape))


def test_published_bets_have_no_halves() -> None:
    assert halves(people("1")) is None


# Study 1 from a participant-level file


def bets_file(folder: Path, seed: int = 0, knowledge: bool = True) -> Path:
    """Forty people, each cell once; one in four doubts what the speaker knows."""
    rng = np.random.default_rng(seed)
    head = "workerid,word,access,p_0,p_1,p_2,p_3" + (",knowledge" if knowledge else "")
    lines = [head]
    for person in range(40):
        for word, access, *_ in BETS:
            bets = rng.multinomial(100, [0.1, 0.2, 0.3, 0.4])
            sure = 90 if access == 3 else 10
            doubt = 100 - sure if rng.random() < 0.25 else sure
            cells = [person, word, access, *bets, *([doubt] if knowledge else [])]
            lines.append(",".join(map(str, cells)))
    path = folder / "bets.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_bets_of_participants_are_filtered_and_averaged(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    path = bets_file(tmp_path)
    found = people("1", path)
    table = pandas.read_csv(path)
    expected = table["knowledge"].where(table["access"] == 3, 100 - table["knowledge"])
    kept = table[expected > 70].groupby(["word", "access"])[[f"p_{k}" for k in range(4)]]
    for i, cell in enumerate(found.design.cells):
        assert found.n[i] == kept.size()[cell]
        assert 100 * found.means[i] == pytest.approx(kept.mean().loc[cell].to_numpy())
        assert found.se is not None
        assert 100 * found.se[i] == pytest.approx(kept.sem().loc[cell].to_numpy())
    assert not found.warnings
    split = halves(found)
    for metric in METRICS1:
        value = ceiling(split, metric.of)
        assert value is not None
        assert np.isfinite(value)


def test_bets_without_knowledge_are_not_filtered_and_that_is_said(tmp_path: Path) -> None:
    found = people("1", bets_file(tmp_path, knowledge=False))
    assert found.n == pytest.approx(40)
    assert "no column knowledge" in found.warnings[0]


BAD: list[tuple[str, str, str, str]] = [
    ("1", "word,access,p_0,p_1,p_2,p_3\none,1,0,0,50,50\n", "column participant", "who bet"),
    ("1", "subid,word,access,p_0,p_1,p_2\n1,one,1,0,0,50\n", "column p_3", "the bet on state 3"),
    ("1", "subid,word,access,p_0,p_1,p_2,p_3\n1,four,1,0,0,50,50\n", "row 1, column word", "four"),
    ("1", "subid,word,access,p_0,p_1,p_2,p_3\n1,two,1,0,0,50,50\n", "two + 1", "no larger than"),
    ("1", "subid,word,access,p_0,p_1,p_2,p_3\n1,one,1,0,0,0,0\n", "row 1", "not all 0"),
    ("1", "subid,word,access,p_0,p_1,p_2,p_3\n1,one,1,0,0,a,0\n", "column p_2", "a number"),
    ("2", "subid,goal,true_state,utterance\n1,mean,heart1,was bad\n", "column goal", "'mean'"),
    ("2", "subid,goal,true_state,utterance\n1,both,heart4,was bad\n", "true_state", "0 to 3"),
    ("2", "subid,goal,true_state,utterance\n1,both,heart1,bad\n", "column utterance", "'bad'"),
    ("2", "goal,true_state,utterance\nboth,heart1,was bad\n", "column participant", "who answered"),
    (
        "2",
        "subid,goal,true_state,positivity,utterance\n1,both,heart1,maybe,bad\n",
        "column positivity",
        "expected no_neg or neg",
    ),
    (
        "2",
        "subid,state,positivity,utterance,judgment\n1,2,it was ___,bad,0\n",
        "column goal",
        "both",
    ),
    ("2", "", "empty", "expected a header"),
]


@pytest.mark.parametrize(("study", "text", "place", "expected"), BAD)
def test_a_bad_file_is_refused_with_its_place(
    study: str, text: str, place: str, expected: str, tmp_path: Path
) -> None:
    path = tmp_path / "people.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(GraceError) as caught:
        people(study, path)
    assert str(path) in str(caught.value)
    assert place in str(caught.value)
    assert expected in str(caught.value)


def test_a_folder_without_such_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GraceError, match="no CSV file in this folder has the columns goal"):
        people("2", tmp_path)
