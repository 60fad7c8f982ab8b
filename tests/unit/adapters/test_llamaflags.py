"""The planned settings as llama-server's flags: everything that allocates is said."""

import pytest
from tests.fakes import llama_server_program as program

from aidx.adapters.llamaflags import arguments, known
from aidx.budget.settings import Settings
from aidx.errors import EngineError
from aidx.plan.files import Files
from aidx.ports.engine import Launch

YOUNG = program.YOUNG
ALL = frozenset(program.known())


def argv(settings, knows=ALL, **more):
    return arguments(Launch("m.gguf", "m", settings, **more), knows, threads=3)


def value(argv, flag):
    return argv[argv.index(flag) + 1]


def test_whatever_allocates_is_said():
    found = argv(Settings(ctx_size=8192, parallel=2, cache_type_k="q8_0", cache_type_v="q4_0"))
    said = {flag: value(found, flag) for flag in found if flag.startswith("--") and flag in program.NUMBERS}

    assert said | {"--verbosity": "4", "--threads-http": "12"} == said
    assert {flag: said[flag] for flag in ("--ctx-size", "--parallel", "--batch-size", "--ubatch-size")} == {
        "--ctx-size": "8192",
        "--parallel": "2",
        "--batch-size": "2048",
        "--ubatch-size": "512",
    }
    assert (said["--cache-ram"], said["--ctx-checkpoints"], said["--cache-reuse"]) == ("0", "0", "0")
    assert (value(found, "--cache-type-k"), value(found, "--cache-type-v")) == ("q8_0", "q4_0")
    assert (value(found, "--fit"), value(found, "--load-mode"), value(found, "--lazy-mode")) == ("off", "none", "off")
    assert {"--kv-unified", "--no-cache-idle-slots", "--no-context-shift", "--no-mtp"} <= set(found)
    assert "--swa-full" not in found


def test_a_plan_for_the_cpu_starts_no_driver():
    found = argv(Settings(ctx_size=512))

    assert (value(found, "--n-gpu-layers"), value(found, "--device")) == ("0", "none")
    assert {"--no-kv-offload", "--no-op-offload"} <= set(found)


def test_a_plan_for_gpus_says_the_split():
    found = argv(Settings(ctx_size=512, n_gpu_layers=33, n_cpu_moe=4, tensor_split=(3.0, 1.5)))

    assert value(found, "--tensor-split") == "3,1.5"
    assert (value(found, "--n-gpu-layers"), value(found, "--n-cpu-moe"), value(found, "--main-gpu")) == ("33", "4", "0")
    assert "--device" not in found


def test_files_are_loaded_along_and_kept_from_a_gpu_that_has_none_of_the_model():
    files = Files(("a.gguf", "b.gguf"), "eye.gguf", "small.gguf")
    found = argv(Settings(ctx_size=512, n_draft=3), beside=files)

    assert (value(found, "--lora"), value(found, "--mmproj")) == ("a.gguf,b.gguf", "eye.gguf")
    assert "--no-mmproj-offload" in found
    assert (value(found, "--model-draft"), value(found, "--spec-draft-ngl")) == ("small.gguf", "0")
    assert (value(found, "--spec-type"), value(found, "--spec-draft-n-max")) == ("draft-simple", "3")

    found = argv(Settings(ctx_size=512, n_draft=3, n_gpu_layers=9), beside=files)
    assert "--no-mmproj-offload" not in found
    assert value(found, "--spec-draft-ngl") == "999"


def test_a_draft_model_is_asked_for_by_the_names_of_older_builds():
    new = {flag for flag in ALL if flag.startswith("--spec")}
    old = {"--draft-max", "--n-gpu-layers-draft", "--cache-type-k-draft", "--cache-type-v-draft"}
    found = argv(Settings(ctx_size=512, n_draft=3), ALL - new | old, beside=Files(model_draft="small.gguf"))

    assert not new & set(found)
    assert (value(found, "--draft-max"), value(found, "--cache-type-k-draft")) == ("3", "f16")


def test_stores_are_as_large_as_planned():
    found = argv(Settings(ctx_size=512, cache_ram=64 << 20, ctx_checkpoints=3))

    assert (value(found, "--cache-ram"), value(found, "--ctx-checkpoints")) == ("64", "3")


def test_an_older_build_is_not_told_to_switch_off_what_it_does_not_have():
    found = argv(Settings(ctx_size=512), ALL - YOUNG | {"--no-mmap", "--no-webui"})

    assert not YOUNG & set(found)
    assert {"--no-mmap", "--no-webui"} <= set(found)


@pytest.mark.parametrize(
    ("flag", "changes"),
    [
        ("--flash-attn", {}),
        ("--cache-ram", {"cache_ram": 1 << 20}),
        ("--kv-unified", {"parallel": 2}),
        ("--n-cpu-moe", {"n_gpu_layers": 1, "n_cpu_moe": 1}),
    ],
)
def test_a_build_that_cannot_do_what_is_planned_is_refused(flag, changes):
    with pytest.raises(EngineError, match=f"does not know {flag}"):
        argv(Settings(ctx_size=512, **changes), ALL - {flag})


def test_the_flags_of_a_build_are_read_from_its_help():
    text = "-c,    --ctx-size N    size of the context \n-kvu, --kv-unified, -no-kvu, --no-kv-unified"

    assert known(text) >= {"-c", "--ctx-size", "--kv-unified", "--no-kv-unified"}
    assert "--ctx" not in known(text)
