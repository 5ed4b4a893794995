"""CITATION.cff is what the Citation File Format 1.2.0 asks for, and of this version."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
import yaml

from grace import __version__
from tests.places import ROOT

CITATION: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
#: Of an entity (a team, an institution) and of a person, what names them.
NAMES = ({"name"}, {"family-names", "given-names"})


def test_the_required_fields_are_there() -> None:
    assert {"cff-version", "message", "title", "authors"} <= CITATION.keys()
    assert CITATION["cff-version"] == "1.2.0"
    assert CITATION["type"] in ("software", "dataset")
    assert all(CITATION[name] for name in ("message", "title", "authors"))


def test_it_is_of_this_version_and_licence() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert CITATION["version"] == __version__
    assert CITATION["license"] == project["license"]


@pytest.mark.parametrize("work", [CITATION, *CITATION["references"]], ids=lambda w: w["title"][:20])
def test_every_work_has_authors_and_a_doi_that_can_be_one(work: dict[str, Any]) -> None:
    assert {"type", "title", "authors"} <= work.keys()
    assert all(set(author) in NAMES for author in work["authors"])
    assert re.fullmatch(r"10\.\d{4,9}(\.\d+)*/[A-Za-z:./0-9_-]+", work.get("doi", "10.1234/x"))
