"""Lines as the pinned engine logs them (xllamacpp 2026.10.11549, verbosity 4, recorded from it).

The CUDA lines follow the same format strings; they were not recorded here.
"""

import pytest

from aidx.adapters.enginelog import RESOLUTION, Account

GPT_OSS = """\
0.00.011.000 I llama_model_loader: loaded meta data with 26 key-value pairs and 57 tensors from x.gguf
0.00.015.335 I print_info: max token length      = 60
0.00.015.170 I print_info: n_ctx_train           = 4096
0.00.011.410 I load_tensors:          CPU model buffer size =    15.93 MiB
0.00.011.482 I load_tensors:   CPU_REPACK model buffer size =    19.12 MiB
0.00.021.836 I llama_context: n_ctx                 = 2048
0.00.021.841 I llama_context: n_ctx_seq             = 1024
0.00.034.356 I llama_context:        CPU  output buffer size =     0.03 MiB
0.00.034.491 I llama_kv_cache:        CPU KV buffer size =     3.00 MiB
0.00.024.974 I llama_kv_cache: size =    3.00 MiB (  2048 cells,   6 layers,  2/1 seqs), K (f16):    1.50 MiB
0.00.035.846 I llama_kv_cache:        CPU KV buffer size =     1.12 MiB
0.00.037.786 I sched_reserve:        CPU compute buffer size =    19.78 MiB
0.00.034.735 I slot   load_model: id  0 | task -1 | new slot, n_ctx = 1024
"""
GRANITE = """\
0.00.055.710 I llama_kv_cache:        CPU KV buffer size =     2.00 MiB
0.00.060.982 I llama_memory_recurrent:        CPU RS buffer size =    10.29 MiB
"""
BESIDE = """\
0.00.145.489 I load_tensors:          CPU model buffer size =    11.76 MiB
0.00.228.087 I llama_context: n_ctx                 = 512
0.00.230.478 I sched_reserve: reserving ...
0.00.255.385 I sched_reserve:        CPU compute buffer size =     7.52 MiB
0.00.259.062 I common_speculative_init_result: loading draft model 'small.gguf'
0.00.268.526 I load_tensors:          CPU model buffer size =     5.88 MiB
0.00.292.601 I llama_context: n_ctx                 = 256
0.00.295.021 I sched_reserve: reserving ...
0.00.296.846 I sched_reserve:        CPU compute buffer size =     3.76 MiB
0.00.154.789 I clip_model_loader: model name:   eye
0.00.164.215 I clip_ctx: CLIP using CPU backend
0.00.164.787 I load_hparams: model size:         0.37 MiB
0.00.180.921 I reserve_compute_meta:        CPU compute buffer size =     0.86 MiB
"""
CUDA = """\
0.01.1 I load_tensors:   CPU_Mapped model buffer size =   417.66 MiB
0.01.2 I load_tensors:        CUDA0 model buffer size =  8148.38 MiB
0.01.2 I load_tensors:        CUDA1 model buffer size =     1.00 MiB
0.01.3 I llama_context:  CUDA_Host  output buffer size =     0.58 MiB
0.01.4 I llama_kv_cache:      CUDA0 KV buffer size =  1536.00 MiB
0.01.5 I sched_reserve:      CUDA0 compute buffer size =   129.01 MiB
0.01.5 I sched_reserve:  CUDA_Host compute buffer size =    18.02 MiB
"""


def read(text):
    account = Account()
    assert not any(account.read(line) for line in text.splitlines(keepends=True))
    return account


def mib(account, device):
    return [(entry.what, round(entry.bytes / (1 << 20), 2)) for entry in account.devices[device]]


def test_every_buffer_is_an_entry_and_nothing_else_is():
    account = read(GPT_OSS)

    assert set(account.devices) == {"host"}
    assert mib(account, "host") == [
        ("weights", 15.93),
        ("repack", 19.12),
        ("output", 0.03),
        ("kv_cache", 3.0),
        ("kv_cache", 1.12),
        ("compute", 19.78),
    ]
    assert (account.n_ctx, account.longest_token) == (2048, 60)


def test_recurrent_state_stands_beside_the_cache():
    assert mib(read(GRANITE), "host") == [("kv_cache", 2.0), ("recurrent_state", 10.29)]


def test_a_gpu_s_own_buffers_are_its_own_and_pinned_ones_the_host_s():
    account = read(CUDA)

    assert mib(account, "gpu0") == [("weights", 8148.38), ("kv_cache", 1536.0), ("compute", 129.01)]
    assert mib(account, "gpu1") == [("weights", 1.0)]
    assert mib(account, "host") == [("weights", 417.66), ("output", 0.58), ("compute", 18.02)]


def test_entries_are_measured_and_name_their_buffer():
    entry = read(GPT_OSS).devices["host"][1]

    assert entry.grade == "measured"
    assert entry.why.startswith("CPU_REPACK model buffer")
    assert abs(entry.bytes - 19.12 * (1 << 20)) < 1 <= RESOLUTION


@pytest.mark.parametrize("line", ["0.00.037.945 I srv          init: init: model loaded\n", "model loaded"])
def test_it_says_when_it_has_read_all(line):
    assert Account().read(line)


@pytest.mark.parametrize("line", ["", "\n", "CPU model buffer size = x MiB", "the user said: model loaded, no?\n"])
def test_other_lines_are_passed_over(line):
    account = Account()

    assert not account.read(line)
    assert account.devices == {}


def test_a_draft_model_and_a_projector_are_accounted_for_by_themselves():
    account = read(BESIDE)

    assert mib(account, "host") == [
        ("weights", 11.76),
        ("compute", 7.52),
        ("draft", 5.88),
        ("draft", 3.76),
        ("projector", 0.37),
        ("projector", 0.86),
    ]
    assert account.n_ctx == 512


def test_a_projector_that_is_loaded_twice_counts_once_and_where_it_is():
    again = BESIDE[BESIDE.index("0.00.154.789") :]
    account = read(again + again.replace("CPU", "CUDA1"))

    assert mib(account, "gpu1") == [("projector", 0.37), ("projector", 0.86)]
    assert account.devices["host"] == []
