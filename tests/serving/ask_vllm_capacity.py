"""What vLLM itself makes of models: blocks, tokens, requests at once, and the block it took.

Run by the Python that has vLLM, with a list of [folder, arguments] in JSON. All of them in one
process and without a server: importing vLLM is most of the work. Weights are made up.
"""

import json
import os
import sys

os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"


def main() -> None:
    """One line of JSON for each, after the word FOUND."""
    from vllm import LLM
    from vllm.distributed import cleanup_dist_env_and_memory

    for folder, arguments in json.loads(sys.argv[1]):
        llm = LLM(
            folder, skip_tokenizer_init=True, load_format="dummy", enforce_eager=True, **arguments
        )
        cache = llm.llm_engine.vllm_config.cache_config
        found = {
            "blocks": cache.num_gpu_blocks,
            "tokens": cache.kv_cache_size_tokens,
            "concurrency": round(cache.kv_cache_max_concurrency, 2),
            "block_size": cache.block_size,
        }
        print("FOUND", json.dumps(found), flush=True)
        del llm
        cleanup_dist_env_and_memory()


if __name__ == "__main__":
    main()
