"""Serves a tiny model, or fails as STANDIN_FAILS says."""

import os
import signal
import threading
import time
from argparse import ArgumentParser
from pathlib import Path

from tests.engines.vllm.server import ModelServer
from vllm.entrypoints.launchers.cli_args import make_arg_parser

if __name__ == "__main__":
    args = make_arg_parser(ArgumentParser()).parse_args()
    print("INFO 11-21 06:00:00 [api_server.py:1] loading", flush=True)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    match os.environ.get("STANDIN_FAILS"):
        case "memory":
            raise MemoryError("no room for the keys and values")
        case "never":
            stop.wait(60)
            raise SystemExit(0)
    key = os.environ.get("VLLM_API_KEY", "")
    name = args.served_model_name
    with ModelServer(Path(args.model), name, port=args.port, key=key):
        if os.environ.get("STANDIN_FAILS") == "later":
            time.sleep(2)
            raise RuntimeError("the engine died")
        stop.wait()
    print("INFO 11-21 06:00:09 [api_server.py:2] bye", flush=True)
