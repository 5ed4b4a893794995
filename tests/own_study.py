"""A study of one's own in which everything varies: scales, variants, names full of marks."""

from __future__ import annotations

from pathlib import Path

TEMPLATE = """\
{% block user %}
After {{ minutes }} minutes somebody says {{ when }}: "{{ item }}". How {{ scale }} is it?
{% endblock %}
"""
MARKS = "[red]never"
STUDY = """\
name: rate
title: "Ratings [red]of[/red] <b>sentences</b> :smile: $x$"
data: data/rate.csv
key: [id]
item: item
factors: [when, minutes]
columns:
  id: {meaning: "the row"}
  item: {meaning: "the sentence"}
  when: {meaning: "when it is said", allowed: [late, early, "[red]never"]}
  minutes: {meaning: "minutes", type: integer}
experiments:
  "1":
    questions:
      rating:
        template: rate/raw.j2
        parse: {fields: {rating: {type: integer, min: 1, max: 7}}}
  "2":
    questions:
      accept:
        template: rate/scored.j2
        meaning: how {scale} it is
        over: {scale: [natural, "true", polite]}
        options: ["1", "2", "3", "4", "5", "6", "7"]
        wide: {prob: "{scale}_prob_{option}", mean: "{scale}_mean", mass: "{scale}_mass"}
        marginals:
          level: {column: "{scale}_{group}", groups: {low: ["1", "2"], high: ["6", "7"]}}
      liked:
        template: rate/raw.j2
        options: ["7", "6", "5", "4", "3", "2", "1"]
        wide: {mean: liked_mean}
      said:
        template: rate/raw.j2
        options: ["yes, <b>I</b> [red]do[/red]", "no: $x_1$ 100% :smile:"]
        wide: {prob: "said_{option}", mass: said_mass}
      bare:
        template: rate/raw.j2
        options: ["yes", "no"]
"""


def write_own(folder: Path, items: int = 5) -> Path:
    """The study's files in a folder; returns the folder."""
    for name, text in (
        ("conf/study/rate.yaml", STUDY),
        ("prompts/rate/scored.j2", TEMPLATE),
        ("prompts/rate/raw.j2", TEMPLATE.replace("{{ scale }}", "good")),
        ("data/rate.csv", _rows(items)),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def _rows(items: int) -> str:
    cells = [(when, minutes) for when in ("early", "late", MARKS) for minutes in (10, 2)]
    lines = ["id,item,when,minutes"]
    for i in range(items):
        for when, minutes in cells:
            lines.append(f"{len(lines)},sentence {i},{when},{minutes}")
    return "\n".join(lines) + "\n"
