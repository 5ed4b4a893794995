"""The settings of a run: of `grace.run`, `grace.check` and `grace.serve`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from grace.config.manual import Setting

#: Where one of several is chosen, and its settings are then `GROUP.NAME`.
GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "study": "what is asked: stimuli, design, questions",
        "exp": "how: 1 for raw answers, 2 for the probability of each option",
        "model": "who is asked",
        "engine": "what computes: this process, or a server",
    }
)

RUN = (
    Setting("data", "FILE.csv", "another stimuli file than the study's own", "path"),
    Setting("output", "FOLDER", "where results go", "path", "outputs"),
    Setting("tag", "NAME", "keeps variants of a run apart, as a part of the folder's name"),
    Setting("pilot", "10", "only so many rows, spread evenly over the design", "whole"),
    Setting("seed", "0", "of the pilot's choice of rows and of sampling", "whole", "0"),
    Setting("dry_run", "true", "show the plan and one prompt a question, and stop", "switch"),
    Setting("store", "FILE", "another answer store than OUTPUT/answers.sqlite", "path"),
    Setting("overwrite", "true", "replace a run that was made with other settings", "switch"),
    Setting("report", "false", "leave out report.html at the end", "switch", "true"),
    Setting("profile", "true", "say where the time went", "switch"),
    Setting("max_failures", "100", "stop when so many in a row have failed", "whole", "100"),
    Setting("shard", "3/16", "do the third of sixteen parts of the work"),
)

EXP = (
    Setting("exp.answer_prefix", "TEXT", "begins the model's turn with a text"),
    Setting("exp.base_answer_prefix", "TEXT", "the same for base models", "text", "Answer:"),
    Setting(
        "exp.option_space",
        "never",
        "exp 2: a space before options: auto, never, always",
        "choice",
        "auto",
        choices=("auto", "never", "always"),
    ),
    Setting("exp.prior", "true", "exp 2: ask before the speech too (study 1)", "switch"),
    Setting("exp.forms", "false", 'exp 2: do not count "Yes" and "YES" as "yes"', "switch", "true"),
    Setting("exp.low_mass", "0.1", "exp 2: flag answers with less mass", "number", "0.1"),
    Setting("exp.temperature", "0.7", "exp 1: of sampling", "number", "0.7"),
    Setting("exp.top_p", "0.9", "exp 1: of sampling", "number", "0.9"),
    Setting("exp.max_tokens", "150", "exp 1: length of an answer, at most", "whole", "150"),
    Setting("exp.replicates", "1", "exp 1: answers drawn for each trial", "whole", "1"),
    Setting("exp.name", "NAME", "the experiment's name in the study's file"),
)

_DTYPES = ("auto", "float32", "bfloat16", "float16")

MODEL = (
    Setting("model.path", "FOLDER", "any Hugging Face model on your disk", "path"),
    Setting("model.name", "NAME", "what it is called in folders and tables"),
    Setting("model.id", "ORG/NAME", "a model of the Hugging Face hub"),
    Setting("model.revision", "COMMIT", "which revision of it"),
    Setting("model.chat", "false", "no chat template though it has one", "switch"),
    Setting(
        "model.chat_template_kwargs", "{NAME: VALUE}", "further words for the template", "mapping"
    ),
    Setting("model.date", "2026-03-01", "the day a chat template writes"),
    Setting(
        "model.control_tokens",
        "allow",
        "control tokens spelt in texts are meant",
        "choice",
        "refuse",
        choices=("refuse", "allow"),
    ),
    Setting(
        "model.dtype",
        "bfloat16",
        "the numeric type it was published in",
        "choice",
        choices=_DTYPES,
    ),
    Setting("model.max_length", "4096", "tokens it can read", "whole"),
    Setting("model.bundled", "true", "the model that comes with Grace", "switch"),
    Setting("model.licence", "NAME", "for the report; nothing depends on it"),
    Setting("model.gated", "true", "the hub wants a token", "switch"),
    Setting("model.parameters", "9", "billions, for the forecast of memory", "number"),
    Setting("model.memory_gib", "24", "GPU memory it needs", "number"),
    Setting("model.weights_gib", "18", "its weights, where 2 bytes each is wrong", "number"),
    Setting("model.architecture", "{NAME: VALUE}", "parts of its config.json", "mapping"),
    Setting("model.cards", "TEXT", "which cards it fits on, in words"),
)

LOCAL = (
    Setting("engine.device", "cuda", "auto, cpu, cuda, cuda:1 or mps", "text", "auto"),
    Setting(
        "engine.dtype",
        "float32",
        ", ".join(_DTYPES),
        "choice",
        "auto",
        choices=_DTYPES,
    ),
    Setting("engine.threads", "4", "CPU threads", "whole"),
    Setting("engine.max_batch_tokens", "1024", "tokens computed together", "whole"),
    Setting("engine.max_batch_texts", "16", "texts drawn side by side", "whole"),
)

VLLM = (
    Setting(
        "engine.endpoints", "URL,URL", "servers of the model, http://HOST:PORT/v1 each", "list"
    ),
    Setting("engine.managed", "true", "start a server for the run, stop it after", "switch"),
    Setting("engine.max_concurrency", "32", "requests in flight a server", "whole", "32"),
    Setting("engine.nodes_per_request", "64", "option-tree nodes a request", "whole", "64"),
    Setting("engine.timeout", "120", "seconds a request may take", "number", "120"),
    Setting("engine.deadline", "600", "seconds a query may be tried again", "number", "600"),
)

SERVE = (
    Setting("serve.args.NAME", "VALUE", "any argument of vLLM; true, false for a switch"),
    Setting("serve.cpu_args.NAME", "VALUE", "the same where vLLM computes on the CPU"),
    Setting("serve.cpu_cache_gib", "2", "memory for keys and values there", "number", "2"),
    Setting("serve.python", "FILE", "the Python that has vLLM", "path"),
    Setting("serve.ready_within", "3600", "seconds it may take to start", "number", "3600"),
    Setting("serve.log", "FILE", "its log", "path"),
)

STUDY = (
    Setting("study.data", "FILE.csv", "the study's own stimuli; data= outweighs it", "path"),
    Setting("study.NAME", "VALUE", "anything else of the study's file"),
)

#: Of grace.capacity alone.
CAPACITY = (
    Setting("gpu", "a100-40", "the card, or cpu; docs/capacity.md lists them"),
    Setting("count", "4", "so many of them at most", "whole"),
    Setting("gpu_gib", "39.49", "a card of your own: its memory as PyTorch sees it", "number"),
    Setting("weights_gib", "15.27", "all weights, where they are known", "number"),
    Setting("url", "http://HOST:PORT", "a running server to compare with"),
    Setting("prompt_rate", "5000", "tokens of prompts read a second (study=)", "number"),
    Setting("generate_rate", "800", "tokens generated a second (study=)", "number"),
)

#: Of grace.doctor alone.
DOCTOR = (
    Setting("log", "FILE", "the log of a server that failed", "path"),
    Setting("url", "http://HOST:PORT", "a server that runs"),
    Setting("pod", "[NAMESPACE/]NAME", "a pod, looked at through kubectl"),
)

#: Headings of the help, each with its settings.
SECTIONS: Mapping[str, tuple[Setting, ...]] = MappingProxyType(
    {
        "settings of the run": RUN,
        "the experiment": EXP,
        "the model": MODEL,
        "engine=local (in this process)": LOCAL,
        "engine=vllm (servers)": VLLM,
        "the server of grace.serve and engine.managed=true": SERVE,
        "the study": STUDY,
    }
)

ALL: Mapping[str, Setting] = MappingProxyType(
    {setting.name: setting for part in SECTIONS.values() for setting in part}
)

#: Settings that one command has, by name.
OF_COMMANDS: Mapping[str, Setting] = MappingProxyType({setting.name: setting for setting in DOCTOR})

#: Names to be near to where one is mistyped.
NAMES = (*GROUPS, *(name for name in ALL if not name.endswith("NAME")), "engine.kind")
