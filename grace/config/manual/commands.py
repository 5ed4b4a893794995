"""Every command: what it does, what its words are, how it is written."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from grace.config.manual import Command, Setting
from grace.config.manual.settings import CAPACITY as CAPACITY_SETTINGS
from grace.config.manual.settings import DOCTOR as DOCTOR_SETTINGS
from grace.config.manual.settings import SECTIONS

_ALL = tuple(setting for part in SECTIONS.values() for setting in part)
_RUNS = (("RUN", "the folder of a run, such as outputs/1/2/smollm2-135m"),)
_STYLE = "a matplotlib style file, or the name of a style of matplotlib's"

RUN = Command(
    name="run",
    title="Run a psycholinguistic experiment on a language model.",
    usage="[setting=value ...] [--multirun] [--cfg job]",
    settings=_ALL,
    examples=(
        "study=1 exp=2 model=smollm2-135m pilot=10",
        "study=1 exp=2 dry_run=true",
        "--multirun study=1,2 exp=1,2",
    ),
    about="The same command again asks only what is missing.",
    codes="0 all answered; 1 bad input or configuration; 3 finished, some queries failed; "
    "130 interrupted",
)
CHECK = Command(
    name="check",
    title="See whether a model and its server are ready for a run. Nothing is stored.",
    usage="[setting=value ...] [--multirun] [--cfg job]",
    settings=_ALL,
    examples=("study=1 exp=2 model=smollm2-135m",),
    about="The words of the run that is to follow; twenty of its rows are looked at.",
    codes="0 ready; 1 something is red, or bad input; 130 interrupted",
)
SERVE = Command(
    name="serve",
    title="Start the vLLM server that a run of the model expects. Ctrl-C stops it.",
    usage="model=NAME [setting=value ...] [--cfg job]",
    settings=_ALL,
    examples=(
        "model=gemma-9b",
        "model=llama-70b serve.args.quantization=fp8 dry_run=true",
    ),
    about="The command line outweighs the model's file, and that the defaults: --cfg job shows "
    "what comes of it. dry_run=true prints vLLM's command and stops.",
    codes="0 stopped; 1 it cannot start as asked, or ended by itself",
)
CAPACITY = Command(
    name="capacity",
    title="Say whether a model fits some cards, how much it holds, how long a run takes.",
    usage="model=NAME [gpu=NAME] [setting=value ...] [--multirun] [--cfg job]",
    settings=(*CAPACITY_SETTINGS, *_ALL),
    own=CAPACITY_SETTINGS,
    examples=(
        "model=gemma-9b gpu=a100-40",
        "model=llama-70b gpu=a100-80 count=4",
        "model.path=FOLDER gpu_gib=39.49 study=1 exp=2",
    ),
    about="Nothing is downloaded and nothing is started: the model's config.json is enough, or "
    "what its file in conf/model/ says of it. Also written to OUTPUT/MODEL/capacity.json, or to "
    "output=FOLDER/NAME.json. With study= or exp= it counts the run's queries and tokens too.",
    codes="0 it fits; 1 bad input; 3 it does not fit, or not on this card",
)
DOCTOR = Command(
    name="doctor",
    title="Say why a server does not start or answers wrongly, and what helps.",
    usage="[log=FILE] [url=URL] [pod=NAME] [model=NAME] [setting=value ...]",
    settings=(*DOCTOR_SETTINGS, *_ALL),
    own=DOCTOR_SETTINGS,
    examples=(
        "log=outputs/serve/gemma-9b.log",
        "url=http://localhost:8000 model=gemma-9b",
        "model=gemma-9b",
    ),
    about="log= finds the cause in a log, url= asks a running server, pod= reads a pod's state and "
    "logs (kubectl, which changes nothing); model= alone looks at this machine before a start. "
    "Also written to OUTPUT/MODEL/doctor.json, or to output=FOLDER/NAME.json. docs/doctor.md "
    "lists what is known. dry_run=true says what would be looked at.",
    codes="0 nothing is wrong; 1 bad input; 3 trouble was found; 130 interrupted",
)
COMPARE = Command(
    name="compare",
    title="Compare runs, or anybody's table of results, with what people did.",
    usage="[RUN ...] [setting=value ...]",
    words=_RUNS,
    settings=(
        Setting(
            "study",
            "1",
            "of results=FILE (1 or 2), where its columns do not say",
            "choice",
            choices=("1", "2"),
        ),
        Setting("results", "FILE.csv", "a table of results from anywhere", "path"),
        Setting("output", "FOLDER", "where it goes, instead of each run's folder", "path"),
        Setting("human", "PATH", "people's own file instead of Grace's figures", "path"),
        Setting("bootstrap", "2000", "draws of the bootstrap", "whole", "2000"),
        Setting("seed", "0", "of the bootstrap and of the split halves", "whole", "0"),
        Setting("floor", "1e-6", "least probability in the likelihood (study 2)", "number", "1e-6"),
    ),
    examples=(
        "outputs/1/2/smollm2-135m",
        "study=1 results=docs/example-results.csv output=example",
    ),
    about="Distances, correlation and likelihood, each with an interval and beside how well people "
    "agree with each other, in comparison.json and comparison.csv. docs/compare.md says what each "
    "number means, and which columns results= needs.",
)
FIGURES = Command(
    name="figures",
    title="Draw the figures of runs into RUN/figures, as .svg, .pdf and .png.",
    usage="RUN [RUN ...] [setting=value ...]",
    words=_RUNS,
    settings=(
        Setting("output", "FOLDER", "where they go, each run's into a folder of its name", "path"),
        Setting("style", "FILE", _STYLE, "path"),
    ),
    examples=("outputs/1/2/smollm2-135m",),
    about="Of several runs of one study also models-STUDY, which shows them side by side, smallest "
    "model first. docs/report.md shows the figures.",
)
REPORT = Command(
    name="report",
    title="Write report.html: one page about one or more runs, for people.",
    usage="RUN [RUN ...] [setting=value ...]",
    words=_RUNS,
    settings=(
        Setting("output", "FILE.html", "where it goes", "path"),
        Setting("style", "FILE", _STYLE, "path"),
    ),
    examples=("outputs/1/2/smollm2-135m",),
    about="What was asked, how sure the answers are, what came out, how near it is to people and "
    "the RSA model, what to doubt, every trial to look up, how to cite and reproduce. Of several "
    "runs one page, into the folder they are in. docs/report.md says what is in it.",
)
STATS = Command(
    name="stats",
    title="Write runs as data for mixed models in R (lme4, brms), or fit the models.",
    usage="RUN [RUN ...] [setting=value ...]",
    words=_RUNS,
    settings=(
        Setting("output", "FOLDER", "where it goes; else the folder of the run or runs", "path"),
        Setting("fit", "true", "fit the models too, into stats_fit.json", "switch", "false"),
        Setting("draws", "1000", "draws kept of each chain", "whole", "1000"),
        Setting("tune", "1000", "steps of each chain before them", "whole", "1000"),
        Setting("chains", "4", "chains; R-hat needs at least 2", "whole", "4"),
        Setting("seed", "0", "of the sampler", "whole", "0"),
        Setting(
            "target_accept", "0.95", "nearer 1: smaller steps, fewer divergences", "number", "0.95"
        ),
    ),
    examples=("outputs/1/2/smollm2-135m",),
    about="stats.csv, stats.parquet, a codebook, suggested formulas and a script, of runs of one "
    "study and experiment. fit=true needs pip install 'grace-psycholinguistics[stats]'. docs/r.md "
    "says what the columns and models are.",
)
TABLES = Command(
    name="tables",
    title="Write a run's tables again from its answer store; no model is loaded.",
    usage="RUN",
    words=_RUNS,
    examples=("outputs/1/2/smollm2-135m",),
)
MERGE = Command(
    name="merge",
    title="Merge answer stores, such as those of shards.",
    usage="OUT IN [IN ...]",
    words=(("OUT", "the store to merge into"), ("IN", "a store")),
    examples=("outputs/answers.sqlite outputs/answers-shard*.sqlite",),
    about="Where two disagree on an answer nothing is written.",
)
VERIFY = Command(
    name="verify",
    title="Check a run: hashes, every number of its tables, a sample asked again.",
    usage="RUN [seed=0]",
    words=_RUNS,
    settings=(Setting("seed", "0", "of the sample", "whole", "0", flag="--seed"),),
    examples=("outputs/1/2/smollm2-135m",),
    codes="0 reproducible; 1 it differs, or bad input; 130 interrupted",
)
MATERIALS = Command(
    name="materials",
    title="Build the stimuli files that come with Grace from their material files.",
    usage="[setting=value ...]",
    settings=(
        Setting(
            "study",
            "1",
            "which to build: 1, 2 or all",
            "choice",
            "all",
            flag="--study",
            choices=("1", "2", "all"),
        ),
        Setting("output", "FOLDER", "of the CSV files", "path", "data", flag="--output"),
        Setting("materials", "FOLDER", "of study1.yaml, study2.yaml", "path", flag="--materials"),
        Setting("check", "true", "only compare with the CSV files", "switch", "false", "--check"),
        Setting("participants", "24", "number of lists", "whole", flag="--participants"),
        Setting("seed", "1", "of dealing and order", "whole", flag="--seed"),
    ),
    examples=("check=true",),
    about="Where participants and seed are not given they are as the material files say.",
)

#: All of the above, by name.
COMMANDS: Mapping[str, Command] = MappingProxyType(
    {command.name: command for command in list(globals().values()) if isinstance(command, Command)}
)
