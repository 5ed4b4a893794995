"""Lines of failing servers, over many versions of vLLM, and what each is called."""

from __future__ import annotations

OOM = "CUDA out of memory. Tried to allocate"

#: id, line. Several ways of saying one thing.
LINES: tuple[tuple[str, str], ...] = (
    ("oom-load", f"torch.cuda.OutOfMemoryError: {OOM} 224.00 MiB. GPU 0 has a total capacity of"),
    ("oom-load", f"torch.OutOfMemoryError: {OOM} 96.00 MiB. GPU 1 has 12.5 MiB free."),
    ("oom-load", "RuntimeError: Failed to load model - not enough GPU memory. Try lowering"),
    ("oom-serving", f"torch.OutOfMemoryError: {OOM} 7.83 GiB. GPU 0 has a total capacity"),
    (
        "oom-serving",
        "RuntimeError: CUDA out of memory occurred when warming up sampler with 1024 dummy "
        "requests. Please try lowering `max_num_seqs` or `gpu_memory_utilization`",
    ),
    ("kv-none", "ValueError: No available memory for the cache blocks. Try increasing"),
    (
        "kv-too-small",
        "ValueError: To serve at least one request with the models's max seq len (131072), (16.00 "
        "GiB KV cache is needed, which is larger than the available KV cache memory (9.1 GiB). "
        "Based on the available memory, the estimated maximum model length is 74384. Try",
    ),
    (
        "kv-too-small",
        "ValueError: To serve at least one request with the models's max seq len (32768), 4.00 GB "
        "KV cache is needed, which is larger than the available KV cache memory",
    ),
    (
        "kv-too-small-old",
        "ValueError: The model's max seq len (40960) is larger than the maximum number of tokens "
        "that can be stored in KV cache (31264). Try increasing `gpu_memory_utilization`",
    ),
    (
        "gpu-busy",
        "ValueError: Free memory on device (3.1/79.1 GiB) on startup is less than desired GPU "
        "memory utilization (0.9, 71.2 GiB). Decrease GPU memory utilization",
    ),
    (
        "gated-403",
        "huggingface_hub.errors.GatedRepoError: 403 Client Error. (Request ID: Root=1-66)",
    ),
    (
        "gated-403",
        "Access to model google/gemma-2-9b-it is restricted and you are not in the authorized "
        "list. Visit https://huggingface.co/google/gemma-2-9b-it to ask for access.",
    ),
    ("gated-403", "OSError: You are trying to access a gated repo."),
    ("gated-403", "Your request to access model meta-llama/Llama-3.3-70B is awaiting a review"),
    (
        "gated-401",
        "huggingface_hub.errors.GatedRepoError: 401 Client Error. (Request ID: Root=1-67)",
    ),
    (
        "gated-401",
        "Access to model google/gemma-2-9b-it is restricted. You must have access to it and be "
        "authenticated to access it. Please log in.",
    ),
    (
        "hub-unreachable",
        "OSError: We couldn't connect to 'https://huggingface.co' to load this file, couldn't find",
    ),
    (
        "hub-unreachable",
        "urllib3.exceptions.MaxRetryError: HTTPSConnectionPool(host='huggingface.co', port=443): "
        "Max retries exceeded with url: /api/models (Caused by NewConnectionError",
    ),
    ("hub-unreachable", "httpx.ConnectError: [Errno -3] Temporary failure in name resolution"),
    (
        "not-cached",
        "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate cached "
        "snapshot folder for the specified revision",
    ),
    (
        "path-missing",
        "huggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name' or "
        "'namespace/repo_name': './models/x'. Use `repo_type` argument if needed.",
    ),
    (
        "path-missing",
        "OSError: Incorrect path_or_model_id: '/mnt/pvc/gemma'. Please provide either the path",
    ),
    (
        "path-missing",
        "ValueError: Invalid repository ID or local directory specified: '/models/none'.",
    ),
    (
        "path-missing",
        "OSError: /data/llama is not a local folder and is not a valid model identifier listed on",
    ),
    ("model-unknown", "OSError: a/b is not a local folder and is not a valid model identifier"),
    ("path-missing", "OSError: /m does not appear to have a file named config.json."),
    ("gated-401", "HTTPError: 401 Client Error: Unauthorized for url: https://huggingface.co/x"),
    ("api-key", "HTTPStatusError: Client error '401 Unauthorized' for url 'http://gpu7:8000/v1'"),
    ("model-unknown", "RepositoryNotFoundError: 401 Client Error. Repository Not Found for url: x"),
    ("hub-unreachable", "requests.exceptions.ConnectionError: ('Connection aborted.', timeout())"),
    ("nccl-system", "RuntimeError: NCCL Error 2: unhandled system error"),
    ("port-in-use", "OSError: [Errno 98] Address already in use"),
    (
        "port-in-use",
        "ERROR:    [Errno 98] error while attempting to bind on address ('0.0.0.0', 8000): "
        "address already in use",
    ),
    ("port-in-use", "zmq.error.ZMQError: Address already in use (addr='tcp://127.0.0.1:5570')"),
    ("port-in-use", "Error: Bind for 0.0.0.0:8000 failed: port is already allocated."),
    (
        "no-chat-template",
        "ValueError: Cannot use chat template functions because tokenizer.chat_template is not "
        "set and no template argument was passed!",
    ),
    (
        "no-chat-template",
        "As of transformers v4.44, default chat template is no longer allowed, so you must",
    ),
    (
        "bf16-old-gpu",
        "ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0. "
        "Your Tesla V100-SXM2-16GB GPU has compute capability 7.0.",
    ),
    (
        "quant-mismatch",
        "ValueError: Quantization method specified in the model config (awq) does not match the "
        "quantization method specified in the `quantization` argument (gptq).",
    ),
    (
        "quant-capability",
        "ValueError: The quantization method fp8 is not supported for the current GPU. Minimum "
        "capability: 89. Current capability: 70.",
    ),
    (
        "tp-heads",
        "ValueError: Total number of attention heads (40) must be divisible by tensor parallel "
        "size (3).",
    ),
    ("tp-heads", "AssertionError: 151936 is not divisible by 5"),
    (
        "too-few-gpus",
        "ValueError: World size (8) is larger than the number of available GPUs (4) in this node.",
    ),
    ("too-few-gpus", "torch.AcceleratorError: CUDA error: invalid device ordinal"),
    (
        "too-few-gpus",
        "AssertionError: please ensure that world_size (4) is less than than max local gpu count",
    ),
    (
        "ray-placement",
        "ValueError: The number of required GPUs exceeds the total number of available GPUs in "
        "the placement group.",
    ),
    (
        "ray-placement",
        "RuntimeError: Ray does not allocate any GPUs on the driver node. Consider adjusting the",
    ),
    (
        "nccl-system",
        "RuntimeError: NCCL error: unhandled system error (run with NCCL_DEBUG=INFO for details)",
    ),
    (
        "nccl-system",
        "torch.distributed.DistBackendError: NCCL error in: /pytorch/torch/csrc/distributed/c10d/"
        "NCCLUtils.hpp:268, unhandled cuda error, NCCL version 2.21.5",
    ),
    ("shm-small", "node1:77:99 [0] NCCL WARN Error while creating shared memory segment x"),
    ("shm-small", "OSError: [Errno 28] No space left on device: '/psm_4d5a'"),
    (
        "shm-small",
        "ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient "
        "shared memory (shm).",
    ),
    (
        "driver-forward",
        "RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 804: forward "
        "compatibility was attempted on non supported HW",
    ),
    (
        "driver-container",
        "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=13.0, please "
        "update your driver to a newer version, or use an earlier cuda container: unknown.",
    ),
    ("driver-old", "RuntimeError: The NVIDIA driver on your system is too old (found 12020)."),
    ("driver-old", "RuntimeError: CUDA driver version is insufficient for CUDA runtime version"),
    ("no-gpu", "RuntimeError: Failed to infer device type"),
    ("no-gpu", "ImportError: libcuda.so.1: cannot open shared object file: No such file"),
    (
        "trust-remote-code",
        "ValueError: Loading org/x requires you to execute the configuration file in that repo on "
        "your local machine.",
    ),
    (
        "trust-remote-code",
        "RuntimeError: Failed to load the model config. If the model is a custom model not yet "
        "available in the HuggingFace transformers library, consider setting "
        "`trust_remote_code=True` in LLM or using the `--trust-remote-code` flag in the CLI.",
    ),
    (
        "arch-unsupported",
        "ValueError: Model architectures ['XForCausalLM'] failed to be inspected. Please check",
    ),
    (
        "arch-unsupported",
        "ValueError: The checkpoint you are trying to load has model type `gemma9` but "
        "Transformers does not recognize this architecture.",
    ),
    (
        "len-over-config",
        "ValueError: User-specified max_model_len (32768) is greater than the derived "
        "max_model_len (max_position_embeddings=8192 or model_max_length=None in model's",
    ),
    (
        "logprobs-limit",
        "ValueError: Requested prompt logprobs of 25, which is greater than max allowed: 20",
    ),
    (
        "token-ids-limit",
        "ValueError: Requested logprob_token_ids of length 129, which is greater than max allowed",
    ),
    ("tokenizer-mismatch", "ValueError: Token id 151999 is out of vocabulary"),
    ("tokenizer-mismatch", "ValueError: allowed_token_ids contains out-of-vocab token id!"),
    ("api-key", 'INFO:     10.0.0.9:33512 - "POST /v1/completions HTTP/1.1" 401 Unauthorized'),
    ("api-key", "openai.AuthenticationError: Error code: 401 - {'error': 'Unauthorized'}"),
    (
        "context-too-small",
        "ValueError: This model's maximum context length is 2048 tokens. However, you requested",
    ),
    (
        "context-too-small",
        "ValueError: The decoder prompt (length 3000) is longer than the maximum model length of",
    ),
    ("weights-missing", "RuntimeError: Cannot find any model weights with `/models/x`"),
    (
        "weights-missing",
        "ValueError: Following weights were not initialized from checkpoint: {'lm_head.weight'}",
    ),
    ("weights-cut", "safetensors_rust.SafetensorError: Error while deserializing: HeaderTooLarge"),
    (
        "weights-cut",
        "safetensors._safetensors_rust.SafetensorError: Error while deserializing header: "
        "MetadataIncompleteBuffer",
    ),
    ("weights-cut", "_pickle.UnpicklingError: invalid load key, 'v'."),
    ("disk-full", "OSError: [Errno 28] No space left on device"),
    ("disk-full", "OSError: [Errno 122] Disk quota exceeded: '/home/x/.cache/huggingface'"),
    (
        "engine-dead",
        "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack",
    ),
    ("engine-dead", "RuntimeError: Engine core initialization failed. See root cause above."),
    ("engine-dead", "vllm.engine.AsyncEngineDeadError: Background loop has errored"),
    ("engine-dead", "RuntimeError: Engine process failed to start. See stack trace for the root"),
    ("illegal-access", "RuntimeError: CUDA error: an illegal memory access was encountered"),
    ("illegal-access", "RuntimeError: CUDA error: unspecified launch failure"),
    (
        "ram-cpu",
        "ValueError: Available memory on node 1 (7.0/31.2 GiB) on startup is less than desired CPU "
        "memory utilization (0.9, 28.1 GiB).",
    ),
    ("argument-unknown", "vllm serve: error: unrecognized arguments: --max-seq-length 10"),
    ("argument-unknown", "api_server.py: error: unrecognized arguments: --x"),
    (
        "argument-unknown",
        "TypeError: AsyncEngineArgs.__init__() got an unexpected keyword argument 'max_len'",
    ),
    ("bad-env", "ValueError: invalid literal for int() with base 10: ''"),
    (
        "bad-env",
        "ValueError: VLLM_PORT 'tcp://10.96.0.1:8000' appears to be a URI. This may be caused by",
    ),
    ("compile-wait", "INFO 10-01 10:00:00 [shm.py:466] No available block found in 60 second."),
    (
        "fd-limit",
        "WARNING 10-01 10:00:00 [utils.py:1] Found ulimit of 1024 and failed to automatically "
        "increase. This can cause fd limit errors like `OSError: [Errno 24] Too many open files`",
    ),
    ("probe-short", "KeyboardInterrupt: terminated"),
    ("oom-killed", "Killed"),
    ("oom-killed", "/bin/bash: line 1:   412 Killed                  vllm serve /models/x"),
    ("oom-killed", "Out of memory: Killed process 412 (VLLM::EngineCor) total-vm:99kB"),
    (
        "oom-killed",
        "ray.exceptions.OutOfMemoryError: Task was killed due to the node running low on memory.",
    ),
    ("unknown", "Segmentation fault (core dumped)"),
    ("unknown", "!!!!!!! Segfault encountered !!!!!!!"),
    ("unknown", "Fatal Python error: Segmentation fault"),
    (
        "hub-unreachable",
        "RuntimeError: Data processing error: CAS service error : Reqwest Error: HTTP status "
        "server error, domain: https://cas-server.xethub.hf.co/",
    ),
    (
        "shm-small",
        "RuntimeError: DataLoader worker (pid 41) is killed by signal: Bus error. It is possible "
        "that dataloader's workers are out of shared memory. Please try to raise your limit.",
    ),
    ("bad-env", "ValueError: invalid literal for int() with base 10: 'auto'"),
    ("bad-env", "ValueError: invalid literal for int() with base 10: '4GiB'"),
    (
        "disk-full",
        "safetensors_rust.SafetensorError: Error while serializing: IoError(Os { code: 28, kind: "
        'StorageFull, message: "No space left on device" })',
    ),
    (
        "hub-limited",
        "requests.exceptions.HTTPError: 429 Client Error: Too Many Requests for url: https://hf",
    ),
    (
        "library-missing",
        "ImportError: libcudart.so.12: cannot open shared object file: No such file or directory",
    ),
)  # fmt: skip
