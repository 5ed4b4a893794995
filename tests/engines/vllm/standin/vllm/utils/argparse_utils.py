"""As vLLM has it."""

from argparse import ArgumentParser

FlexibleArgumentParser = ArgumentParser
