"""Quotation marks that are valid CSV and not meant; cells of many lines that are, are read."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grace.errors import StimuliError
from grace.stimuli.csv_file import split_rows

H = "person,cup,minutes\n"
SWALLOWED = [
    H + '1,"mug,0\n1,glass,60\n2,mug",60\n3,bowl,0\n',
    H + '1,"mug,0\n2,mug",60\n3,bowl,0\n3,mug,60\n',
    H + '1,"mug,0\n1,glass,60\n2,mug",60\n',
    (H + '1,"mug,0\n1,glass,60\n2,mug",60\n3,bowl,0\n').replace("\n", "\r\n"),
    (H + '1,"mug,0\n1,glass,60\n2,mug",60\n3,bowl,0\n').replace(",", ";"),
    "cup,person,minutes\n\"mug,1,0\nglass,1,60\nmug\",2,60\nmug,3,0\nglass,3,0\n",
    'person,minutes,cup\n1,0,"mug\n1,60,glass\n2,60,mug"\n3,0,mug\n3,60,glass\n',
    'who,cup,said\nanna,"mug,warm\nben,glass,cold\nanna,mug",hot\nanna,bowl,cold\nben,mug,warm\n',
]  # fmt: skip
HONEST = [
    "She waited.\nThen, slowly, she left.",
    "She waited,\nand waited,\nand left.",
    "1, 2\n3, 4",
    "coordinates:\n1,5\n2,6",
    "Choose:\n1,5",
    "f(x)\ng(a,b)",
    "[1,\n2,3]",
    "你好,\n再见,朋友",
    'He said "no,\nnever" twice',
    "a,b\nc,d",
    "a,b,c\nd,e,f\ng,h,i",
    "\n,,\n",
]


@pytest.mark.parametrize("text", SWALLOWED)
def test_rows_in_one_cell_are_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(StimuliError, match=r"row 1, column \w+: found '.*opens here and closes in"):
        split_rows(tmp_path / "tea.csv", text.encode())


@pytest.mark.parametrize("cell", HONEST)
@pytest.mark.parametrize("place", range(4))
def test_cells_of_several_lines_are_cells(cell: str, place: int, tmp_path: Path) -> None:
    cells = [["n", "what", "how", "long"], *[[str(n), "mug", "hot", "60"] for n in range(5)]]
    cells[2][place] = cell
    written = io.StringIO()
    csv.writer(written).writerows(cells)
    _, rows = split_rows(tmp_path / "tea.csv", written.getvalue().encode())
    assert rows[1][place] == cell
    two = f'id,text\n1,a\n2,"{cell.replace(chr(34), chr(34) * 2)}"\n3,b\n'
    assert split_rows(tmp_path / "tea.csv", two.encode())[1][1] == ("2", cell)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(
        st.lists(st.text('ab, \n"', max_size=8), min_size=2, max_size=2), min_size=1, max_size=4
    )
)
def test_what_a_writer_of_csv_encloses_is_read_back(rows: list[list[str]]) -> None:
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL).writerows(
        [["id", "text", "more"], *[[str(n), *cells] for n, cells in enumerate(rows)]]
    )
    _, found = split_rows(Path("tea.csv"), written.getvalue().encode())
    assert [[*cells] for cells in found] == [[str(n), *cells] for n, cells in enumerate(rows)]


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ('1, "mug", 0', "cup"),
        ('1,\t"mug",0', "cup"),
        (' "1",mug,0', "person"),
        ('1,mug,  "0"', "minutes"),
        ('1,"a\n ""b"", c", "0"', "minutes"),
        ('1, "a ""big"" mug", 0', "cup"),
    ],
)
def test_a_mark_after_a_blank_is_refused(row: str, column: str, tmp_path: Path) -> None:
    text = f"{H}7,glass,60\n{row}\n"
    with pytest.raises(StimuliError, match=rf"row 2, column {column}: .* after a blank"):
        split_rows(tmp_path / "tea.csv", text.encode())


@pytest.mark.parametrize(
    ("cell", "read"),
    [
        (' "mug" is what he said', ' "mug" is what he said'),
        ('5" mug', '5" mug'),
        ('he said "mug"', 'he said "mug"'),
        ('" ""mug"""', ' "mug"'),
        ('"""mug"""', '"mug"'),
        ('"a, ""b"", c"', 'a, "b", c'),
        ('"a\n ""b""\n, ""c"""', 'a\n "b"\n, "c"'),
    ],
)
def test_marks_that_are_meant_are_read(cell: str, read: str, tmp_path: Path) -> None:
    _, rows = split_rows(tmp_path / "tea.csv", f"{H}1,{cell},0\n2,bowl,60\n".encode())
    assert rows == [("1", read, "0"), ("2", "bowl", "60")]


@pytest.mark.parametrize(
    ("encoding", "word", "said"),
    [
        ("utf-32", "Krüg", "it is UTF-32"),
        ("utf-16", "Krüg", "it is UTF-16"),
        ("latin-1", "Krüg", r"Windows-1252 or Latin-1 \('üg,0"),
        ("mac_roman", "Krüg", r"Mac Roman \('üg,0"),
        ("shift_jis", "茶碗", r"Shift-JIS \('茶碗,0"),
        ("gbk", "茶碗", r"GBK \('茶碗,0"),
    ],
)
def test_another_encoding_is_told_by_its_letters(
    encoding: str, word: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(StimuliError, match=said):
        split_rows(tmp_path / "tea.csv", f"{H}1,{word},0,\n".encode(encoding))
