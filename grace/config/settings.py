"""Settings of a run, validated once where they enter. Inside, the types are trusted."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from grace.config.literal_text import Real, Whole, literally
from grace.config.manual.settings import NAMES
from grace.config.printable import writable
from grace.config.refuse_code import refuse_code
from grace.config.resources import expand
from grace.config.study import StudySpec
from grace.config.study_file import StudyFile
from grace.config.validation_messages import NAME_PATTERN, describe, shown
from grace.errors import ConfigError

#: The name of the model that comes with Grace.
BUNDLED = "smollm2-135m"

#: What the bundled model's file says of it, which is not so of a folder in its place.
OF_THE_BUNDLED = ("id", "dtype", "licence", "parameters", "architecture")

DtypeName = Literal["auto", "float32", "bfloat16", "float16"]
#: The largest number of tokens, texts or rows that is taken for meant.
MOST = 10**12


PathText = Annotated[str, Field(min_length=1), AfterValidator(expand)]
Name = Annotated[str, Field(pattern=NAME_PATTERN)]


class Strict(BaseModel):
    """A frozen settings group that refuses what it does not know."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False
    )


class ExpSettings(Strict):
    """How an experiment asks: the sampling of raw answers, the scoring of options."""

    name: str
    answer_prefix: str = ""
    base_answer_prefix: str = ""
    option_space: Literal["auto", "never", "always"] = "auto"
    prior: bool = False
    forms: bool = True
    low_mass: Real = Field(default=0.1, ge=0, le=1)
    temperature: Real = Field(default=0.7, ge=0, le=10)
    top_p: Real = Field(default=0.9, gt=0, le=1)
    max_tokens: Whole = Field(default=150, ge=1, le=1_000_000)
    replicates: Whole = Field(default=1, ge=1, le=100_000)

    @field_validator("answer_prefix", "base_answer_prefix")
    @classmethod
    def _literal(cls, value: str) -> str:
        literally(value)
        return value


class ModelSettings(Strict):
    """A model: where it is, how it is spoken to, what it needs."""

    name: Name
    id: str = ""
    path: PathText | None = None
    bundled: bool = False
    revision: str | None = None
    chat: bool | None = None
    dtype: DtypeName = "auto"
    max_length: Whole | None = Field(default=None, ge=1, le=MOST)
    chat_template_kwargs: dict[str, Any] = {}
    date: str | None = None  # which a chat template writes, YYYY-MM-DD
    control_tokens: Literal["refuse", "allow"] = "refuse"
    licence: str = ""
    gated: bool = False
    parameters: Real | None = Field(default=None, gt=0)  # billions
    memory_gib: Real | None = Field(default=None, gt=0)  # GPU memory needed, all cards together
    weights_gib: Real | None = Field(default=None, gt=0)  # where two bytes a parameter is wrong
    cards: str = ""
    #: What memory depends on, by config.json's names; no number of a run does.
    architecture: dict[str, Any] | None = Field(default=None, exclude=True)

    @field_validator("date", mode="before")
    @classmethod
    def _day(cls, value: Any) -> Any:
        """A day as it is written in Hydra or in YAML."""
        try:
            return value if value is None else date.fromisoformat(str(value)).isoformat()
        except ValueError:
            raise ValueError("expected a day as YYYY-MM-DD, such as 2026-03-01") from None

    @model_validator(mode="before")
    @classmethod
    def _own_folder(cls, value: Any) -> Any:
        """A folder given in the bundled model's place is another model, with its own name."""
        if not (isinstance(value, dict) and value.get("path") and value.get("bundled")):
            return value
        folder = Path(expand(str(value["path"])))
        own = re.sub(
            r"[^A-Za-z0-9._-]+", "-", os.path.realpath(folder).rpartition(os.sep)[2]
        ).strip("-._")
        kept = {key: found for key, found in value.items() if key != "bundled"}
        name = own if value.get("name") == BUNDLED else value.get("name")
        return {"id": str(folder)} | kept | {"name": name or "model", "path": str(folder)}


class LocalSettings(Strict):
    """The engine in this process."""

    kind: Literal["local"]
    device: str = "auto"
    dtype: DtypeName = "auto"
    max_batch_tokens: Whole | None = Field(default=None, ge=1, le=MOST)
    max_batch_texts: Whole | None = Field(default=None, ge=1, le=MOST)
    threads: Whole | None = Field(default=None, ge=1, le=4096)


class VllmSettings(Strict):
    """Endpoints of one model over HTTP."""

    kind: Literal["vllm"]
    endpoints: tuple[str, ...] = ()
    managed: bool = False
    max_concurrency: Whole = Field(default=32, ge=1, le=1024)
    nodes_per_request: Whole = Field(default=64, ge=1, le=1024)
    timeout: Real = Field(default=120, gt=0)
    deadline: Real = Field(default=600, gt=0)

    @field_validator("endpoints", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_server(self) -> VllmSettings:
        if self.managed and self.endpoints:
            raise ValueError(
                "managed=true starts a server of its own; expected no engine.endpoints beside it"
            )
        return self


class StartedSettings(VllmSettings):
    """The endpoint of a server that this run has started itself, and what it started it with."""

    served_as: str = ""  # the name it gives the model
    arguments: dict[str, Any] = {}  # those of vLLM on which numbers depend


class ServeSettings(Strict):
    """The server of a model: vLLM's own arguments by name, and where vLLM is."""

    args: dict[str, Any] = {}
    cpu_args: dict[str, Any] = {}
    cpu_cache_gib: Real = Field(default=2, gt=0)
    python: PathText | None = None
    ready_within: Real = Field(default=3600, gt=0)
    log: PathText | None = None

    @field_validator("args", "cpu_args")
    @classmethod
    def _one_spelling(cls, value: dict[str, Any]) -> dict[str, Any]:
        """One name for what vLLM takes in two spellings: max-num-seqs for max_num_seqs too."""
        names = [name.replace("_", "-") for name in value]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{twice[0]} is given twice, with - and with _")
        return dict(zip(names, value.values(), strict=True))


class Settings(Strict):
    """One run: a study, an experiment, a model, an engine, and where the results go."""

    study: StudySpec
    exp: ExpSettings
    model: ModelSettings
    engine: Annotated[LocalSettings | VllmSettings, Field(discriminator="kind")]
    serve: ServeSettings = ServeSettings()
    data: PathText | None = None
    output: PathText = "outputs"
    store: PathText | None = None
    tag: Name | None = None
    pilot: Whole | None = Field(default=None, ge=1, le=MOST)
    seed: Whole = Field(default=0, ge=0, lt=2**63)
    dry_run: bool = False
    overwrite: bool = False
    report: bool = True
    profile: bool = False
    max_failures: Whole = Field(default=100, ge=1, le=MOST)
    shard: str | None = None

    @field_validator("shard")
    @classmethod
    def _shard(cls, value: str | None) -> str | None:
        match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", value or "1/1")
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise ValueError("expected K/N with K from 1 to N, such as 3/16")
        return value

    @property
    def shard_of(self) -> tuple[int, int]:
        """Which part of the work this run does, of how many: (1, 1) is all of it."""
        k, n = (self.shard or "1/1").split("/")
        return int(k), int(n)

    @property
    def shard_ending(self) -> str:
        """What keeps a shard's folder and store apart from the others': "-shard3of16"."""
        k, n = self.shard_of
        return f"-shard{k}of{n}" if self.shard else ""

    @property
    def folder(self) -> Path:
        """Where this run's results go: output/study/exp/model[-tag][-shardKofN]."""
        name = self.model.name + (f"-{self.tag}" if self.tag else "") + self.shard_ending
        return Path(self.output) / self.study.name / self.exp.name / name


class Composed(dict[str, Any]):
    """A composed configuration that knows where it comes from."""

    study_file: Path | None = None
    given: frozenset[str] = frozenset()  # what was set by hand: "study", "serve.args.port"

    def forget_the_bundled(self) -> None:
        """Take out what is not said of the folder that stands in the bundled model's place."""
        model = self.get("model")
        if isinstance(model, dict) and model.get("path") and model.get("bundled"):
            for key in OF_THE_BUNDLED:
                if f"model.{key}" not in self.given:
                    model.pop(key, None)


class CapacitySettings(Settings):
    """Of grace.capacity: the cards in question, what is known already, and how fast it goes."""

    gpu: str | None = None
    count: Whole | None = Field(default=None, ge=1, le=1024)
    gpu_gib: Real | None = Field(default=None, gt=0, le=MOST)
    weights_gib: Real | None = Field(default=None, gt=0, le=MOST)
    url: str | None = None
    prompt_rate: Real | None = Field(default=None, gt=0)  # tokens a second, all cards together
    generate_rate: Real | None = Field(default=None, gt=0)


class DoctorSettings(Settings):
    """Of grace.doctor: what it is to look at."""

    log: PathText | None = None
    url: str | None = None
    pod: str | None = None


AnySettings = TypeVar("AnySettings", bound=Settings)


def read_settings(config: Mapping[str, Any]) -> Settings:
    """Validate a composed configuration; a ConfigError lists each setting that is wrong."""
    return read_as(Settings, config)


def read_as(kind: type[AnySettings], config: Mapping[str, Any]) -> AnySettings:
    """The same for a command that has settings of its own beside those of a run."""
    refuse_code(config)
    refuse_unwritable(config)
    path = getattr(config, "study_file", None)
    try:
        settings = kind.model_validate(config)
    except ValidationError as error:
        locate = StudyFile(path).locate if path else None
        known = (*NAMES, *(name for name in kind.model_fields if name not in NAMES))
        raise ConfigError(describe(error, known=known, locate=locate)) from error
    if path:
        settings.study.read_from(path)
    return settings


def refuse_unwritable(value: Any, where: str = "") -> None:
    """Refuse text that no file can hold: halves of surrogate pairs, NUL."""
    if isinstance(value, str) and ("\0" in value or writable(value) != value):
        raise ConfigError(f"{where}={shown(value)}: expected text in UTF-8, without NUL")
    items = value.items() if isinstance(value, Mapping) else ()
    if isinstance(value, (list, tuple)):
        items = enumerate(value)  # type: ignore[assignment]
    for key, inner in items:
        refuse_unwritable(inner, f"{where}.{key}" if where else str(key))
