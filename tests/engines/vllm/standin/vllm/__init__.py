"""A stand-in for an installed vLLM: its command line and a tiny model behind its protocol.

What is tested with it is how Grace starts, watches and stops a server. The real vLLM is tested
by `make test-vllm`.
"""

__version__ = "0.32.0"
