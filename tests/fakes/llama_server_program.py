"""llama-server for tests: the flags of llama.cpp's README, and behind them llama.cpp's server out of the wheel.

The server is the real one; only ``main``, which reads flags, is ours. It is as strict as the real one: an argument that
it does not know ends it. With ``LLAMA_TEST_OLD`` in its environment it knows none of the flags of the last year; with
``LLAMA_TEST_SIGNAL`` it ends by that.
"""

import os
import sys
import threading

NUMBERS = {
    "--ctx-size": "n_ctx",
    "--parallel": "n_parallel",
    "--batch-size": "n_batch",
    "--ubatch-size": "n_ubatch",
    "--cache-ram": "cache_ram_mib",
    "--ctx-checkpoints": "n_ctx_checkpoints",
    "--n-gpu-layers": "n_gpu_layers",
    "--main-gpu": "main_gpu",
    "--cache-reuse": "n_cache_reuse",
    "--moe-cache-mib": "moe_cache_size",
    "--port": "port",
    "--threads-http": "n_threads_http",
    "--verbosity": "verbosity",
}
SWITCHES = {
    "--kv-unified": ("kv_unified", True),
    "--no-kv-unified": ("kv_unified", False),
    "--swa-full": ("swa_full", True),
    "--no-cache-idle-slots": ("cache_idle_slots", False),
    "--no-kv-offload": ("no_kv_offload", True),
    "--no-op-offload": ("no_op_offload", True),
    "--no-mtp": ("load_mtp", False),
    "--no-context-shift": ("ctx_shift", False),
    "--slots": ("endpoint_slots", True),
    "--no-slots": ("endpoint_slots", False),
    "--no-ui": ("ui", False),
    "--no-models-autoload": ("models_autoload", False),
    "--offline": ("offline", True),
    "--embeddings": ("embedding", True),
    "--no-mmproj-offload": ("mmproj_use_gpu", False),
}
WORDS = {
    *("--model", "--alias", "--host", "--lora", "--tensor-split", "--n-cpu-moe", "--threads", "--threads-batch"),
    *("--cache-type-k", "--cache-type-v", "--flash-attn", "--fit", "--load-mode", "--lazy-mode", "--split-mode"),
    *("--device", "--log-colors", "--help", "--version", "--mmproj", "--model-draft", "--spec-type"),
    *("--spec-draft-n-max", "--spec-draft-ngl", "--spec-draft-type-k", "--spec-draft-type-v"),
}
CHOICES = {  # flag: field, enumeration, prefix of its members
    "--cache-type-k": ("cache_type_k", "ggml_type", "GGML_TYPE_"),
    "--cache-type-v": ("cache_type_v", "ggml_type", "GGML_TYPE_"),
    "--flash-attn": ("flash_attn_type", "llama_flash_attn_type", "LLAMA_FLASH_ATTN_TYPE_"),
    "--load-mode": ("load_mode", "llama_load_mode", "LLAMA_LOAD_MODE_"),
    "--lazy-mode": ("lazy_mode", "llama_lazy_mode", "LLAMA_LAZY_MODE_"),
    "--split-mode": ("split_mode", "llama_split_mode", "LLAMA_SPLIT_MODE_"),
}
FILES = {"--model", "--mmproj", "--model-draft", "--spec-type", "--lora"}
DRAFT = {"--spec-draft-n-max": "n_max", "--spec-draft-ngl": "n_gpu_layers"}
SAME = {"--device none", "--log-colors off", "--spec-draft-type-k f16", "--spec-draft-type-v f16"}  # as it is anyway
SPELLED = {"--flash-attn on": "ENABLED", "--flash-attn off": "DISABLED"}
YOUNG = {"--load-mode", "--lazy-mode", "--moe-cache-mib", "--fit", "--no-ui", "--no-cache-idle-slots", "--offline"}


def known() -> set[str]:
    young = YOUNG if os.environ.get("LLAMA_TEST_OLD") else set()
    return {*NUMBERS, *SWITCHES, *WORDS} - young


def main() -> None:
    argv = sys.argv[1:]
    if "--help" in argv:
        print("\n".join(f"{flag} N    what it does" for flag in sorted(known())))
        return
    if "--list-devices" in argv:
        gpu = os.environ.get("LLAMA_TEST_GPU")
        print("Available devices:" + (f"\n  CUDA0: {gpu} (24111 MiB, 23800 MiB free)" if gpu else ""))
        return
    if "--version" in argv:
        sys.stderr.write("version: 11549 (0123abc)\nbuilt with a compiler for a machine\n")
        return
    if number := os.environ.get("LLAMA_TEST_SIGNAL"):
        os.kill(os.getpid(), int(number))
    import xllamacpp

    params = parameters(xllamacpp, argv)
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        sys.exit(f"E main: exiting due to model loading error: {error}")
    sys.stderr.write(f"0.00.200.000 I srv  llama_server: listening on {server.listening_address}\n")
    sys.stderr.flush()
    threading.Event().wait()


def parameters(xllamacpp, argv):
    found = xllamacpp.CommonParams()
    found.api_keys = [key] if (key := os.environ.get("LLAMA_API_KEY")) else []
    rest = iter(argv)
    for flag in rest:
        if flag not in known():
            sys.exit(f"error: invalid argument: {flag}")
        if flag in SWITCHES:
            name, value = SWITCHES[flag]
            setattr(found, name, value)
        elif flag in NUMBERS:
            setattr(found, NUMBERS[flag], int(next(rest)))
        else:
            words(xllamacpp, found, flag, next(rest))
    return found


def words(xllamacpp, found, flag, value):
    if flag in CHOICES:
        field, kind, prefix = CHOICES[flag]
        setattr(found, field, getattr(getattr(xllamacpp, kind), prefix + SPELLED.get(f"{flag} {value}", value.upper())))
    elif flag == "--alias":
        found.model_alias = {value}
    elif flag == "--host":
        found.hostnames = [value]
    elif flag == "--fit":
        found.fit_params = {"on": True, "off": False}[value]
    elif flag in {"--threads", "--threads-batch"}:
        (found.cpuparams if flag == "--threads" else found.cpuparams_batch).n_threads = int(value)
    elif flag in FILES or flag in DRAFT:
        files(xllamacpp, found, flag, value)
    elif f"{flag} {value}" not in SAME:
        sys.exit(f"error: {flag} {value} is not supported here")


def files(xllamacpp, found, flag, value):
    draft = found.speculative.draft
    if flag == "--model":
        found.model.path = value
    elif flag == "--mmproj":
        found.mmproj.path = value
    elif flag == "--model-draft":
        draft.mparams.path = value
    elif flag == "--spec-type":
        kind = f"COMMON_SPECULATIVE_TYPE_{value.upper().replace('-', '_')}"
        found.speculative.types = [getattr(xllamacpp.common_speculative_type, kind)]
    elif flag in DRAFT:
        setattr(draft, DRAFT[flag], int(value))
    else:
        found.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(path, 1.0) for path in value.split(",")]


if __name__ == "__main__":
    main()
