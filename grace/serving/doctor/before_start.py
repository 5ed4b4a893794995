"""What would go wrong if a model's server were started on this machine, before anything is."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from grace.config import DoctorSettings, ModelSettings
from grace.errors import ConfigError
from grace.serving import checks, machine
from grace.serving.arguments import effective, model_source, words, wrong_dtype
from grace.serving.doctor.finding import Finding
from grace.serving.doctor.hub import access_problem, is_here, missing_folder
from grace.serving.doctor.memory import of_limits, of_memory
from grace.serving.installed import Installed, ask, find_python
from grace.serving.launch import NO_VLLM, USUAL_PORT, unknown

#: The disk wants so many times the weights.
DISK = 1.2
#: Shared memory, in GiB: for one process, and for several that compute together.
SHM_ALONE, SHM_TOGETHER = 0.06, 1.0
#: The least driver for each CUDA that vLLM is built for (minor versions are compatible).
DRIVERS = {11: 450.80, 12: 525.60, 13: 580.0}
#: Compute capability that a quantisation needs, by the beginning of its name.
CAPABILITY = {"awq": 7.5, "gptq": 6.0, "fp8": 7.5, "fbgemm": 8.0, "bitsandbytes": 7.0,
              "compressed-tensors": 7.5, "modelopt": 8.9, "mxfp4": 8.0, "nvfp4": 10.0}  # fmt: skip


def before_start(settings: DoctorSettings, given: frozenset[str] = frozenset()) -> list[Finding]:
    """Everything that is in the way, the gravest first."""
    arguments = effective(settings, cpu=False)
    model = settings.model
    found = list(_of_model(model, arguments))
    python = find_python(settings.serve.python)
    installed = _ask(python, settings, arguments, found) if python else None
    if python is None:
        found.append(Finding("vllm-missing", "a server needs vLLM", NO_VLLM, place="this machine"))
    cpu = installed is not None and installed.cpu
    found += _of_arguments(arguments, installed)
    found += _of_cards(model, arguments, installed, cpu=cpu)
    found += of_limits(model, arguments)
    known = {one.id for one in found}
    memory = of_memory(settings, arguments, machine.gpus(), given, cpu=cpu)
    found += [one for one in memory if one.id not in known]
    found += _of_disk(model, arguments)
    found += _of_shared_memory(arguments, cpu=cpu)
    found += _of_port(arguments)
    return found


def _of_model(model: ModelSettings, arguments: Mapping[str, Any]) -> Iterator[Finding]:
    if missing := missing_folder(model):
        yield missing
    if problem := access_problem(model):
        yield problem
    if wrong := wrong_dtype(model, arguments):
        yield Finding("dtype-overflow", wrong, "serve.args.dtype=bfloat16", place=model.name)


def _ask(
    python: str, settings: DoctorSettings, arguments: Mapping[str, Any], found: list[Finding]
) -> Installed | None:
    """The vLLM there is; what keeps it from being asked is a finding."""
    try:
        return ask(python, words(model_source(settings.model), arguments))
    except ConfigError as error:
        remedy = f"serve.python=PATH of a Python with vLLM; {NO_VLLM}"
        found.append(Finding("vllm-broken", "vLLM cannot be asked", remedy, str(error), python))
        return None


def _of_arguments(arguments: Mapping[str, Any], installed: Installed | None) -> Iterator[Finding]:
    remedy = "correct or leave out that serve.args"
    for problem in unknown(arguments, installed):
        yield Finding("argument-unknown", problem, remedy, place="serve.args")


def _of_cards(
    model: ModelSettings, arguments: Mapping[str, Any], installed: Installed | None, *, cpu: bool
) -> Iterator[Finding]:
    """Driver against build, compute capability against numeric type and quantisation."""
    if cpu:
        return
    driver, capability = machine.driver(), machine.compute_capability()
    if driver and installed and installed.cuda:
        needed = DRIVERS.get(int(installed.cuda.partition(".")[0]), 0.0)
        if _number(driver) < needed:
            yield Finding(
                "driver-old",
                f"vLLM {installed.version} is built for CUDA {installed.cuda}, which wants a "
                f"driver from {needed:g} on",
                "a newer driver, or a vLLM built for an older CUDA",
                f"driver {driver}",
                "nvidia-smi",
            )
    if capability is None:
        return
    here = f"compute capability {capability:g}"
    dtype = str(arguments.get("dtype", model.dtype))
    if dtype == "bfloat16" and capability < 8.0:
        yield Finding(
            "bf16-old-gpu",
            "the card has no bfloat16 (from compute capability 8.0 on)",
            "serve.args.dtype=float16 (not for Gemma 2, which overflows in it; take "
            "serve.args.dtype=float32 or a newer card)",
            here,
            "nvidia-smi",
        )
    kind = str(arguments.get("quantization") or "")
    needed = next((least for name, least in CAPABILITY.items() if kind.startswith(name)), 0.0)
    if capability < needed:
        yield Finding(
            "quant-capability",
            f"{kind} wants compute capability {needed:g} or more",
            "serve.args.quantization=null with another checkpoint, or a newer card",
            here,
            "nvidia-smi",
        )


def _number(driver: str) -> float:
    """535.104.05 as 535.104."""
    parts = driver.split(".")
    return float(".".join(parts[:2])) if parts[0].isdecimal() else float("inf")


def _of_disk(model: ModelSettings, arguments: Mapping[str, Any]) -> Iterator[Finding]:
    """Room for a download, where there will be one."""
    weights = checks.weights_gib(model, arguments)
    if weights is None or model.path or model.bundled or is_here(model):
        return
    from huggingface_hub import constants

    folder = Path(str(arguments.get("download-dir") or constants.HF_HUB_CACHE)).expanduser()
    free = machine.free_disk(folder)
    if free is not None and free < DISK * weights:
        yield Finding(
            "disk-full",
            f"{model.name} takes {weights:.0f} GiB on the disk, and {free:.0f} GiB are free",
            f"export HF_HOME=FOLDER on a disk with {DISK * weights:.0f} GiB free",
            place=str(folder),
        )


def _of_shared_memory(arguments: Mapping[str, Any], *, cpu: bool) -> Iterator[Finding]:
    several = checks.cards_wanted(arguments) > 1
    needed = SHM_TOGETHER if several and not cpu else SHM_ALONE
    free = machine.free_disk(Path("/dev/shm")) if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108
    if free is not None and free < needed:
        yield Finding(
            "shm-small",
            f"processes that compute together want {needed:g} GiB of shared memory, and "
            f"{free:.2f} GiB are free",
            "docker run --ipc=host or --shm-size=16g; in a pod an emptyDir with medium: Memory at "
            "/dev/shm",
            place="/dev/shm",  # noqa: S108
        )


def _of_port(arguments: Mapping[str, Any]) -> Iterator[Finding]:
    host, port = str(arguments.get("host", "127.0.0.1")), arguments.get("port", USUAL_PORT)
    if isinstance(port, int) and port and (problem := checks.port_problem(host, port)):
        remedy = "serve.args.port=0 (a free one; or another number), or end that process"
        yield Finding("port-in-use", problem, remedy, place=f"{host}:{port}")
