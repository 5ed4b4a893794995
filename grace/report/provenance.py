"""How a run came about: the command that makes it again, versions and hashes, how to cite it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from grace.config import Settings, one_line
from grace.config.resources import folders
from grace.config.settings import Strict
from grace.figures import View

#: Settings outside the groups that decide what is asked.
ALONE = ("data", "tag", "pilot", "seed")


def command(settings: Settings, study_file: str = "") -> str:
    """The command that asks the same again: the choices, and every setting that is not as usual.

    A study is chosen by its file's name, which may be another than its own; runs of earlier
    versions do not have it.
    """
    model = _file("model", settings.model.name)
    study = Path(study_file).stem or settings.study.name
    words = [shlex.quote(f"study={_written(study)}"), f"exp={settings.exp.name}"]
    if model is not None:
        words.append(f"model={settings.model.name}")
    if settings.engine.kind != _usual_engine(model or {}):
        words.append(f"engine={settings.engine.kind}")
    files = {
        "exp": _file("exp", settings.exp.name) or {},
        "model": (model or {}).get("model", {"id": settings.model.id, "name": settings.model.name}),
        "engine": _file("engine", settings.engine.kind) or {},
    }
    unusual: dict[str, Any] = {}
    for group, file in files.items():
        own: Strict = getattr(settings, group)
        unusual |= {f"{group}.{name}": value for name, value in _unusual(own, file)}
    unusual |= {name: value for name, value in _unusual(settings, {}) if name in ALONE}
    words += [shlex.quote(f"{name}={_written(value)}") for name, value in unusual.items()]
    return " ".join(["python -m grace.run", *words])


def _unusual(settings: Strict, file: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Settings that neither their file nor their default gives."""
    fields = {n: f.default for n, f in type(settings).model_fields.items() if not f.is_required()}
    usual = fields | dict(file)
    for name, value in settings.model_dump(mode="json").items():
        if name in usual and value != usual[name] and (value or usual[name]):
            yield name, value


def _usual_engine(model: Mapping[str, Any]) -> str:
    """What a model's file chooses, else the local engine."""
    for choice in model.get("defaults", []):
        if isinstance(choice, dict) and "override /engine" in choice:
            return str(choice["override /engine"])
    return "local"


def _file(group: str, name: str) -> dict[str, Any] | None:
    """A configuration file of Grace's or the user's own; None where there is none."""
    for folder in folders("conf"):
        path: Path = folder / group / f"{name}.yaml"
        try:
            found = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            continue
        return found if isinstance(found, dict) else None
    return None


def _written(value: Any) -> str:
    """A value as the command line takes it."""
    if isinstance(value, str):
        plain = value and all(c.isalnum() or c in "./_-:@~" for c in value)
        return value if plain else f"'{value}'" if "'" not in value else json.dumps(value)
    if value is None or isinstance(value, bool | list | dict):
        return json.dumps(value, separators=(",", ":"))
    return f"{value}"


def cite(view: View) -> list[str]:
    """Sentences for a methods section, and the sources to cite."""
    manifest, engine = view.manifest, view.manifest["engine"]
    study = view.settings.study
    ways = [
        *([_drawn(view)] if view.spec.raw else []),
        *([_scored(view)] if view.spec.scored else []),
    ]
    revision = f", revision {engine['revision']}" if engine["revision"] else ""
    version = manifest["grace"]["version"]
    commit = manifest["grace"].get("commit", "")
    sentences = [
        f"{engine['model']}{revision} was asked the questions of “{one_line(study.title, 200)}” in "
        f"{engine['dtype']} with {engine['version']}{_written_how(view)}; {'; '.join(ways)}. "
        f"{distinct_questions(manifest)}. Grace {version}"
        f"{f' (commit {commit[:12]})' if commit else ''}, {manifest['written'][:10]}.",
    ]
    sources = [f"Study: {study.source.strip()}"] if study.source else []
    if not isinstance(view.compared, str):
        sources.append(f"People: {view.compared.people.source}")
    return sentences + sources


def distinct_questions(manifest: Mapping[str, Any]) -> str:
    """How many trials there were, and how many questions that differ; texts are not counted."""
    plan = manifest["plan"]
    trials = f"{plan['rows']:,} trials"
    if "questions" not in plan:  # of version 0.1.0, which counted every draw
        return trials
    return f"{trials} gave {plan['questions']:,} distinct questions"


def _drawn(view: View) -> str:
    """How texts were drawn."""
    exp = view.settings.exp
    if exp.temperature == 0:  # draws of one prompt would be the same
        how = "the most probable text was taken of each question (temperature 0)"
    else:
        texts = "one text" if exp.replicates == 1 else f"{exp.replicates:,} texts"
        of = "trial" if len(view.spec.raw) == 1 else "trial and question"
        how = f"{texts} per {of} {'was' if exp.replicates == 1 else 'were'} drawn at temperature "
        how += f"{exp.temperature:g}, top-p {exp.top_p:g} (seed {view.settings.seed})"
    return f"{how}, at most {exp.max_tokens:,} tokens each, and parsed strictly"


def _scored(view: View) -> str:
    """How probabilities were read."""
    method = view.manifest["engine"]["method"].removesuffix(", sampled")
    forms = "" if view.settings.exp.forms else ", each in one spelling,"
    return (
        f"the probability of every admissible answer{forms} was read from the model (method "
        f"{method}) and normalised over the answers"
    )


def _written_how(view: View) -> str:
    """What the model read beside the questions' own words."""
    exp, model = view.settings.exp, view.settings.model
    chat = view.manifest["plan"].get("chat", model.chat)
    prefix = exp.answer_prefix or (exp.base_answer_prefix if chat is False else "")
    found = []
    if chat is False:
        found.append("as plain text, without a chat template")
    elif model.chat_template_kwargs:
        kwargs = json.dumps(model.chat_template_kwargs, ensure_ascii=False)
        found.append(f"with {kwargs} given to its chat template")
    if day := view.manifest["engine"]["details"].get("date"):
        found.append(f"with the date {day}, which its chat template writes")
    if prefix:
        found.append(f"each answer begun with “{prefix}”")
    return "".join(f", {text}" for text in found)


def versions(view: View) -> list[tuple[str, str]]:
    """What a number depends on, name and value."""
    manifest, engine = view.manifest, view.manifest["engine"]
    details = ", ".join(
        f"{name} {'; '.join(map(str, value)) if name == 'notices' else value}"
        for name, value in engine["details"].items()
    )
    found = {
        "run's folder": str(view.run.path),
        "written": manifest["written"],
        "status": manifest["status"],
        "model": engine["model"],
        "revision or hash of the weights": engine["revision"] or "not known",
        "engine": f"{engine['kind']}, {engine['version']}" + (f" ({details})" if details else ""),
        "numeric type": engine["dtype"],
        "method": engine["method"],
        "Grace": " ".join(str(v) for v in manifest["grace"].values() if not isinstance(v, bool)),
        "stimuli": f"{manifest['stimuli']['file']}, SHA-256 {manifest['stimuli']['sha256']}",
        "tokens": f"{manifest['plan']['tokens']:,}, of which "
        f"{manifest['plan']['distinct_tokens']:,} distinct",
        "seconds": ", ".join(f"{k} {v:g}" for k, v in manifest.get("seconds", {}).items()),
        "Python and platform": f"{manifest['python']}, {manifest['platform']}",
        "libraries": ", ".join(f"{k} {v}" for k, v in manifest["libraries"].items()),
    }
    found |= {f"template {k}": f"SHA-256 {v}" for k, v in manifest["templates"].items()}
    return list(found.items())
