"""Starting vLLM with exactly the server a run expects: `grace.serve` and `engine.managed`."""
