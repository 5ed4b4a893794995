"""Whether a model's files are here, or may be downloaded: asked of the hub in seconds."""

from __future__ import annotations

import os
from pathlib import Path

from grace.config import ModelSettings
from grace.serving import machine
from grace.serving.doctor.finding import Finding

#: Seconds the hub has to answer.
PATIENCE = 8


def missing_folder(model: ModelSettings) -> Finding | None:
    """A finding where the model's folder is not there, or lacks what every model has."""
    if not model.path:
        return None
    folder = Path(model.path).expanduser()
    if not folder.is_dir():
        remedy = f"model.path=FOLDER spelt as it is here: look at spelling and mount ({folder})"
        cause = "the model's folder does not exist"
        return Finding("path-missing", cause, remedy, place=str(folder))
    if any(any(folder.glob(f"*.{ending}")) for ending in ("safetensors", "bin", "gguf")):
        return None
    remedy = f"hf download ID --local-dir {folder}"
    return Finding("weights-missing", "the folder has no weights", remedy, place=str(folder))


def is_here(model: ModelSettings) -> bool:
    """Whether the model's configuration is in the hub's cache."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model.id, "config.json", revision=model.revision)
    return isinstance(found, str)


def access_problem(model: ModelSettings) -> Finding | None:
    """A finding where a download would be refused, or no hub can be reached."""
    if model.path or model.bundled or not model.id or is_here(model):
        return None
    page = f"https://huggingface.co/{model.id}"
    if model.gated and not machine.may_download(model):
        return Finding(
            "gated-401",
            f"{model.id} is gated and no token is here",
            f"accept its licence at {page}, then export HF_TOKEN=hf_…",
            place=page,
        )
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return Finding(
            "not-cached",
            "the model is not in the hub's cache and the network is switched off (HF_HUB_OFFLINE)",
            "model.path=FOLDER of a copy, or unset HF_HUB_OFFLINE",
            os.environ.get("HF_HUB_OFFLINE", ""),
            str(constants.HF_HUB_CACHE),
        )
    return _asked(model, page)


def _asked(model: ModelSettings, page: str) -> Finding | None:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    url = hf_hub_url(model.id, "config.json", revision=model.revision)
    try:
        get_hf_file_metadata(url, timeout=PATIENCE)
    except GatedRepoError as error:
        remedy = f"ask for access at {page} with that account, or export HF_TOKEN=hf_… of another"
        cause = "the token's owner has not been granted the model"
        return Finding("gated-403", cause, remedy, _first(error), url)
    except RevisionNotFoundError as error:
        remedy = f"model.revision=COMMIT of {page}/commits"
        return Finding(
            "revision-unknown", "the model has no such revision", remedy, _first(error), url
        )
    except RepositoryNotFoundError as error:
        remedy = "model.id=ORG/NAME spelt as on the hub; a private model wants HF_TOKEN"
        cause = "the hub has no model of that name that this token may see"
        return Finding("model-unknown", cause, remedy, _first(error), url)
    except HfHubHTTPError as error:
        return _unreachable(_first(error), url)
    except Exception as error:  # noqa: BLE001  whatever its HTTP library raises
        return _unreachable(f"{type(error).__name__}: {_first(error)}", url)
    return None


def _unreachable(said: str, url: str) -> Finding:
    return Finding(
        "hub-unreachable",
        "the Hugging Face hub does not answer and the files are not in its cache",
        "model.path=FOLDER of a copy, or fill the cache (HF_HOME) on a machine with network",
        said,
        url,
    )


def _first(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]
