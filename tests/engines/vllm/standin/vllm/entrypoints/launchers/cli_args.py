"""A few of vLLM's arguments."""

from argparse import ArgumentParser, BooleanOptionalAction


def make_arg_parser(parser: ArgumentParser) -> ArgumentParser:
    for name in ("model", "served-model-name", "revision", "generation-config", "host", "dtype"):
        parser.add_argument(f"--{name}")
    for name in ("port", "max-model-len", "block-size", "max-num-seqs", "tensor-parallel-size"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--gpu-memory-utilization", type=float)
    parser.add_argument("--enable-prefix-caching", action=BooleanOptionalAction)
    parser.add_argument("--speculative-config")
    parser.add_argument("--quantization")
    return parser
