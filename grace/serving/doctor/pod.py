"""What a pod's state and logs tell, through kubectl, which only reads."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

from grace.errors import ConfigError
from grace.serving.doctor.finding import Finding

#: Seconds kubectl has for one answer, and lines of a log that are read.
PATIENCE, LINES = 60, 50_000
_NAME = re.compile(r"(?:(?P<space>[a-z0-9][a-z0-9.-]*)/)?(?:pods?/)?(?P<name>[a-z0-9][a-z0-9.-]*)")
KILLED, TERMINATED = 137, 143


def of_pod(pod: str) -> list[Finding]:
    """All that is wrong with a pod; ConfigError where it cannot be asked about."""
    from grace.serving.doctor.logs import read_log

    match = _NAME.fullmatch(pod)
    if match is None:
        raise ConfigError(f"pod={pod}: expected the name of a pod, NAME or NAMESPACE/NAME")
    tool = shutil.which("kubectl")
    if tool is None:
        raise ConfigError(f"pod={pod}: no kubectl is here; expected it on PATH, or log=FILE")
    space = ["--namespace", match["space"]] if match["space"] else []
    name = match["name"]
    state = _asked([tool, "get", "pod", name, *space, "--output", "json"], pod)
    try:
        described = json.loads(state)
    except ValueError:
        raise ConfigError(f"pod={pod}: kubectl's answer is no JSON") from None
    found = list(_of_state(described, f"pod/{name}"))
    restarted = any(status.get("restartCount") for status in _statuses(described))
    told: list[Finding] = []
    for previous in (False, True) if restarted else (False,):
        words = [tool, "logs", name, *space, "--all-containers", f"--tail={LINES}"]
        words += ["--previous"] if previous else []
        try:
            log = _asked(words, pod)
        except ConfigError:  # of a container that has none yet, or no longer
            continue
        told += read_log(log, f"pod/{name} (previous log)" if previous else f"pod/{name} (log)")
    ids = {finding.id for finding in found}
    return found + [finding for finding in _distinct(told) if finding.id not in ids]


def _distinct(found: list[Finding]) -> Iterator[Finding]:
    seen: set[str] = set()
    dead = len({finding.id for finding in found}) > 1
    for finding in found:
        if finding.id not in seen and not (dead and finding.id == "engine-dead"):
            seen.add(finding.id)
            yield finding


def _asked(words: list[str], pod: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603  the user's own kubectl, with words that only read
            words, capture_output=True, text=True, errors="replace", timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigError(f"pod={pod}: kubectl could not be asked ({error})") from error
    if done.returncode:
        said = next(iter(done.stderr.strip().splitlines()[-1:]), f"exit code {done.returncode}")
        raise ConfigError(f"pod={pod}: kubectl says: {said}")
    return done.stdout


def _statuses(described: Mapping[str, Any]) -> list[dict[str, Any]]:
    status = described.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _of_state(described: Mapping[str, Any], place: str) -> Iterator[Finding]:
    """What the cluster itself says."""
    for status in _statuses(described):
        where = f"{place} ({status.get('name', 'container')})"
        for kind in ("lastState", "state"):
            state = status.get(kind) or {}
            if ended := state.get("terminated"):
                if finding := _ended(ended, f"{where}, {kind}"):
                    yield finding
                    break
            elif (waits := state.get("waiting")) and (finding := _waiting(waits, where)):
                yield finding
    for condition in (described.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            yield _unscheduled(str(condition.get("message", "")), place)


def _ended(ended: Mapping[str, Any], where: str) -> Finding | None:
    reason, code = str(ended.get("reason", "")), ended.get("exitCode")
    said = f"{reason}, exit code {code}"
    if reason == "OOMKilled":
        return Finding(
            "oom-killed",
            "the container used more main memory than its limit (exit code 137); the GPU's memory "
            "is another matter",
            "a larger resources.limits.memory (the weights pass through it, and /dev/shm counts), "
            "or serve.args.safetensors-load-strategy=lazy",
            said,
            where,
        )
    if code in (TERMINATED, KILLED) and reason != "Completed":
        return Finding(
            "probe-short",
            "the cluster ended the container (SIGTERM, then SIGKILL), most often because a probe "
            "is too impatient for a model that is still loading",
            "a startupProbe whose failureThreshold × periodSeconds is more than loading takes "
            "(serve.ready_within); kubectl describe pod shows the probe that failed",
            said,
            where,
        )
    return None


def _waiting(waits: Mapping[str, Any], where: str) -> Finding | None:
    reason, message = str(waits.get("reason", "")), str(waits.get("message", ""))
    if reason in ("ErrImagePull", "ImagePullBackOff", "InvalidImageName"):
        remedy = "the image's name and tag, and a pull secret for a private registry"
        cause = "the container's image cannot be had"
        return Finding("image-missing", cause, remedy, f"{reason}: {message}", where)
    if reason in ("CreateContainerConfigError", "CreateContainerError", "RunContainerError"):
        remedy = "the Secret, ConfigMap or volume that the message names"
        cause = "the container cannot be made"
        return Finding("container-config", cause, remedy, f"{reason}: {message}", where)
    return None


def _unscheduled(message: str, place: str) -> Finding:
    return Finding(
        "unschedulable",
        "no node of the cluster has what the pod asks for",
        "resources.limits (nvidia.com/gpu, memory), nodeSelector, tolerations and the claims of "
        "volumes, as the message says",
        message,
        place,
    )
