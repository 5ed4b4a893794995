"""What an installed vLLM is, and what its own parser says of a command line; JSON.

Run by the Python that has vLLM, which need not have Grace: it may import nothing of ours. The
parser has moved between versions, so it is looked for where it has been.
"""

import contextlib
import importlib
import io
import json
import sys

PARSERS = ("vllm.entrypoints.launchers.cli_args", "vllm.entrypoints.openai.cli_args")
FLEXIBLE = ("vllm.utils.argparse_utils", "vllm.utils")


def _first(modules: tuple[str, ...], name: str) -> object:
    for module in modules:
        with contextlib.suppress(ImportError, AttributeError):
            return getattr(importlib.import_module(module), name)
    raise ImportError(f"no {name} in {', '.join(modules)}")


def _ask(words: list[str]) -> dict[str, object]:
    import torch
    import vllm
    from vllm.platforms import current_platform

    parser = _first(PARSERS, "make_arg_parser")(_first(FLEXIBLE, "FlexibleArgumentParser")())  # type: ignore[operator]
    options = {o.removeprefix("--") for a in parser._actions for o in a.option_strings}
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            parser.parse_args(words)
        wrong = ""
    except SystemExit:
        wrong = said.getvalue().strip().splitlines()[-1].partition("error: ")[2]
    except Exception as error:  # noqa: BLE001 its own checks raise what they like
        wrong = " ".join(str(error).split())
    return {
        "version": vllm.__version__,
        "device": current_platform.device_type,
        "options": sorted(options),
        "wrong": wrong,
        "cuda": torch.version.cuda or "",
    }


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        answer = _ask(sys.argv[1:])
    print(json.dumps(answer))
