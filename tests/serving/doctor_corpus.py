"""Ordinary and harmless lines of vLLM 0.6 to 0.32, and the ways in which logs are collected."""

from __future__ import annotations

import json
from collections.abc import Callable

#: What a server says that starts and serves as it should, of several versions.
HEALTHY = (
    "INFO 10-01 09:59:01 [__init__.py:244] Automatically detected platform cuda.",
    "(APIServer pid=1) INFO 10-01 09:59:04 [api_server.py:1839] vLLM API server version 0.11.0",
    "(APIServer pid=1) INFO 10-01 09:59:04 [utils.py:233] non-default args: {'port': 8000}",
    "(APIServer pid=1) ERROR 10-01 09:59:05 [config.py:278] Error retrieving safetensors: Repo id "
    "must be in the form 'repo_name' or 'namespace/repo_name': '/models/g'. Use `repo_type` "
    "argument if needed., retrying 1 of 2",
    "(APIServer pid=1) ERROR 10-01 09:59:07 [config.py:276] Error retrieving safetensors: Repo id "
    "must be in the form 'repo_name' or 'namespace/repo_name': '/models/g'. Use `repo_type` "
    "argument if needed.",
    "WARNING 10-01 09:59:07 [arg_utils.py:1161] The model has a long context length (131072). This "
    "may cause OOM errors during the initial memory profiling phase",
    "INFO 10-01 09:59:07 [utils.py:900] Port 8000 is already in use, trying port 8001",
    "WARNING 10-01 09:59:07 [config.py:2787] Your device 'Tesla T4' (with compute capability 7.5) "
    "doesn't support torch.bfloat16. Falling back to torch.float16 for compatibility.",
    "(EngineCore_DP0 pid=272) INFO 10-01 09:59:10 [core.py:77] Initializing a V1 LLM engine with "
    "config: model='/m', trust_remote_code=False, dtype=torch.bfloat16, quantization=None",
    "[Gloo] Rank 0 is connected to 0 peer ranks. Expected number of connected peer ranks is : 0",
    "(EngineCore_DP0 pid=272) INFO 10-01 09:59:20 [runner.py:2602] Starting to load model",
    "\rLoading safetensors checkpoint shards:   0% Completed | 0/2 [00:00<?, ?it/s]"
    "\rLoading safetensors checkpoint shards: 100% Completed | 2/2 [00:01<00:00,  1.37it/s]",
    "(EngineCore_DP0 pid=272) INFO 10-01 09:59:30 [gpu_model_runner.py:2653] Model loading took "
    "15.2683 GiB and 8.9 seconds",
    "(EngineCore_DP0 pid=272) INFO 10-01 09:59:50 [gpu_worker.py:298] Available KV cache memory: "
    "20.52 GiB",
    "(EngineCore_DP0 pid=272) INFO 10-01 09:59:50 [kv_cache_utils.py:1087] GPU KV cache size: "
    "167,984 tokens",
    "(APIServer pid=1) INFO 10-01 10:00:20 [launcher.py:42] Route: /v1/completions, Methods: POST",
    "(APIServer pid=1) INFO:     Application startup complete.",
    '(APIServer pid=1) INFO:     10.0.0.7:1234 - "POST /v1/completions HTTP/1.1" 200 OK',
    "(APIServer pid=1) INFO 10-01 10:00:30 [loggers.py:127] Engine 000: Avg prompt throughput: "
    "4401.2 tokens/s, Avg generation throughput: 40.1 tokens/s, Running: 4 reqs, Waiting: 0 reqs",
    '(APIServer pid=1) INFO:     10.0.0.7:1234 - "GET /metrics HTTP/1.1" 200 OK',
)  # fmt: skip

NO_NAME = "(Caused by NameResolutionError(\"Failed to resolve 'huggingface.co'\"))"
API, CORE = "(APIServer pid=1)", "(EngineCore_DP0 pid=272)"

#: What a server goes on after, before it is ready and afterwards: (before, after).
HARMLESS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "the hub asked again": (
        (
            "'(MaxRetryError(\"HTTPSConnectionPool(host='huggingface.co', port=443): Max retries "
            f"exceeded with url: /x {NO_NAME}\"), '(Request ID: 1)')' thrown while requesting HEAD "
            "https://huggingface.co/x/resolve/main/config.json",
            "Retrying in 1s [Retry 1/5].",
        ),
        (),
    ),
    "a request refused": (
        (),
        (
            f"{API} ValueError: max_tokens must be at least 1, got 0.",
            f"{API} ERROR 10-01 10:01:00 [serving_completion.py:116] ValueError: n must be 1",
            f"{API} ConnectionResetError: [Errno 104] Connection reset by peer",
        ),
    ),
    "a request that failed": (
        (),
        (
            f"{API} ERROR:    Exception in ASGI application",
            f"{API} Traceback (most recent call last):",
            f'{API}   File "protocol.py", line 1, in f',
            f"{API} KeyError: 'stream'",
            f'{API} INFO:     10.0.0.7:1234 - "POST /v1/completions HTTP/1.1" 500 Internal Server',
        ),
    ),
    "what users ask": (
        (),
        (
            f"{API} INFO 10-01 10:01:00 [logger.py:40] Received request cmpl-1: prompt: "
            '"maximum context length is 4096", params: SamplingParams(n=1), lora_request: None.',
            f"{API} INFO 10-01 10:01:00 [logger.py:40] Received request cmpl-2: prompt: "
            "'token id 5 is out of vocabulary', params: SamplingParams(n=1)",
            f"{API} INFO 10-01 10:01:00 [logger.py:40] Received request cmpl-3: prompt: 'What is",
            "OSError: [Errno 98] Address already in use",
            "torch.OutOfMemoryError: CUDA out of memory', params: SamplingParams(n=1)",
            f"{API} INFO 10-01 10:01:00 [logger.py:77] Generated response cmpl-1: output: "
            "'the maximum context length is 9', output_token_ids: None, finish_reason: length",
        ),
    ),
    "an ordinary stop": (
        (),
        (
            f"{CORE} KeyboardInterrupt: terminated",
            f"{CORE} ERROR 10-01 11:00:00 [core.py:710] RuntimeError: cancelled",
            f"{API} ERROR 10-01 11:00:00 [core_client.py:562] Engine core proc EngineCore_DP0 died "
            "unexpectedly, shutting down client.",
        ),
    ),
}

#: Ordinary lines that say nothing of how far a server is.
ORDINARY = tuple(
    line for line in HEALTHY
    if not any(word in line for word in ("startup complete", "API server version", "non-default",
                                         "throughput", "to load", "oading", "KV cache"))
)  # fmt: skip

#: How those who collect logs pass a line on.
PREFIXES: dict[str, Callable[[str], str]] = {
    "plain": lambda line: line,
    "coloured": lambda line: f"\x1b[1;36m(EngineCore_DP0 pid=9)\x1b[0;0m {line}",
    "colour codes alone": lambda line: f"[36m{line}[0m",
    "docker compose": lambda line: f"vllm-1  | {line}",
    "docker's file": lambda line: json.dumps({"log": f"{line}\n", "stream": "stderr"}),
    "containerd": lambda line: f"2026-11-27T23:56:42.123456789Z stderr F {line}",
    "kubectl --timestamps": lambda line: f"2026-11-27T23:56:42.123456789Z {line}",
    "kubectl --prefix": lambda line: f"[pod/vllm-0/server] {line}",
    "kubectl, both": lambda line: f"[pod/vllm-0/server] 2026-11-27T23:56:42.1+01:00 {line}",
    "ray": lambda line: f"(RayWorkerWrapper pid=99, ip=10.0.0.3) {line}",
    "ray, coloured": lambda line: f"\x1b[36m(ServeReplica:app:LLM pid=9)\x1b[0m {line}",
    "rank": lambda line: f"[rank1]: {line}",
    "srun --label": lambda line: f"3: {line}",
    "journald": lambda line: f"Nov 27 23:56:42 node7 python[123]: {line}",
    "behind progress": lambda line: f"shards:  50%|#### | 1/2\rshards: 100%|####| 2/2\r{line}",
    "on a progress bar": lambda line: f"shards: 100%|####| 2/2 [00:01<00:00, 1.37it/s]{line}",
    "windows": lambda line: f"{line}\r",
}


def buried(line: str, prefix: Callable[[str], str], at: int = 120, of: int = 200) -> str:
    """A line among ordinary ones, each as it was collected."""
    ordinary = [ORDINARY[n % len(ORDINARY)] for n in range(of)]
    return "\n".join(map(prefix, [*ordinary[:at], line, *ordinary[at:]]))
