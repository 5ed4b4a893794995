"""How a run came about: the command that makes it again, versions and hashes, how to cite it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from grace.config import Settings
from grace.config.resources import folders
from grace.config.settings import Strict
from grace.figures import View

#: Settings outside the groups that decide what is asked.
ALONE = ("data", "tag", "pilot", "seed")


def command(settings: Settings) -> str:
    """The command that asks the same again: the choices, and every setting that is not as usual."""
    model = _file("model", settings.model.name)
    words = [f"study={settings.study.name}", f"exp={settings.exp.name}"]
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
    raw = bool(view.spec.raw)
    sampling = view.settings.exp
    how = (
        f"one text per trial was drawn at temperature {sampling.temperature:g}, top-p "
        f"{sampling.top_p:g}, at most {sampling.max_tokens} tokens (seed {view.settings.seed}), "
        "and parsed strictly"
        if raw
        else "the probability of every admissible answer was read from the model "
        f"(method {engine['method']}) and normalised over the answers"
    )
    revision = f", revision {engine['revision']}" if engine["revision"] else ""
    version = manifest["grace"]["version"]
    commit = manifest["grace"].get("commit", "")
    sentences = [
        f"{engine['model']}{revision} was asked the questions of {study.title.lower()} in "
        f"{engine['dtype']} with {engine['version']}; {how}. {manifest['plan']['rows']:,} trials "
        f"gave {manifest['plan']['queries']:,} distinct questions. Grace {version}"
        f"{f' (commit {commit[:12]})' if commit else ''}, {manifest['written'][:10]}.",
    ]
    sources = [f"Study: {study.source.strip()}"] if study.source else []
    if not isinstance(view.compared, str):
        sources.append(f"People: {view.compared.people.source}")
    return sentences + sources


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
