"""What every file in ``model/arch`` must do, over whatever the folder holds.

Expected bytes come from the engine (``tests/golden/arch``, made by ``scripts/make_golden_arch.py``).
"""

import importlib
import json
import pkgutil
import subprocess
import sys
from math import prod
from pathlib import Path

import pytest
from tests.fakes.published import typed

from aidx.errors import InputError
from aidx.model import arch
from aidx.model.blueprint import present
from aidx.model.gguf.kinds import padded
from aidx.model.metadata import block_count, trunk_count
from aidx.model.quants.assign import assign
from aidx.model.spec import Array

GOLDEN = Path(__file__).parents[1] / "golden" / "arch"
FILES = sorted(info.name for info in pkgutil.iter_modules(arch.__path__) if not info.name.startswith("_"))


def golden(file):
    return json.loads(GOLDEN.joinpath(f"{file}.json").read_text("utf-8"))


MODELS = [
    (file, model) for file in FILES if GOLDEN.joinpath(f"{file}.json").exists() for model in golden(file)["models"]
]
over_models = pytest.mark.parametrize(("file", "model"), MODELS, ids=[model["name"] for _, model in MODELS])


@pytest.mark.parametrize("file", FILES)
def test_a_family_says_what_it_is_and_is_found(file):
    family = importlib.import_module(f"aidx.model.arch.{file}")

    assert family.__doc__
    assert family.NAMES
    assert file in {name.replace("-", "_") for name in family.NAMES}
    assert all(arch.find(name) is family for name in family.NAMES)
    assert set(family.NAMES) <= set(arch.known())


@pytest.mark.parametrize("file", FILES)
def test_a_family_has_bytes_from_the_engine(file):
    record = golden(file)

    assert record["models"]
    assert record["origin"].startswith("xllamacpp ")


@over_models
def test_a_model_is_a_published_one_and_has_as_many_parameters(file, model):
    metadata = typed(model["metadata"])
    blanks = present(arch.find(metadata["general.architecture"]).tensors(metadata), frozenset(model["absent"]))
    published = model.get("billions")

    assert "/" in model["source"]
    # Model cards round to three digits at best.
    assert published is None or sum(prod(blank.shape) for blank in blanks) / 1e9 == pytest.approx(published, rel=0.012)


def test_no_golden_file_is_left_over():
    assert sorted(path.stem for path in GOLDEN.glob("*.json")) == FILES


def test_no_two_families_answer_to_one_name():
    names = arch.known()

    assert len(names) == len(set(names)) >= len(FILES)


def test_importing_one_family_imports_no_other():
    program = (
        "import importlib, sys\n"
        f"for file in {FILES}:\n"
        "    importlib.import_module(f'aidx.model.arch.{file}')\n"
        "    own = [name.split('.')[3] for name in sys.modules if name.startswith('aidx.model.arch.')]\n"
        "    print(file, *[name for name in own if not name.startswith('_')])\n"
        "    for name in [name for name in sys.modules if name.startswith('aidx.')]: del sys.modules[name]\n"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert printed.splitlines() == [f"{file} {file}" for file in FILES]


@over_models
@pytest.mark.parametrize("quant", ["F16", "Q4_K_M", "Q2_K"])
def test_tensors_are_what_the_engine_loads(file, model, quant):
    metadata = typed(model["metadata"])
    blanks = present(arch.find(metadata["general.architecture"]).tensors(metadata), frozenset(model["absent"]))
    tensors = assign(blanks, quant, metadata)
    # llama.cpp loads little of the blocks that predict ahead, and pads each tensor to 32 bytes on a CPU.
    trunk, ahead = trunk_count(metadata), golden(file)["ahead"]
    loaded = [
        tensor
        for tensor in tensors
        if tensor.layer is None or tensor.layer < trunk or tensor.name.split(".", 2)[2] in ahead
    ]
    loaded += [tensor for tensor in tensors if tensor.name in golden(file)["repeated"]]

    assert sum(padded(tensor.bytes, 32) for tensor in loaded) == model["weights"][quant]


@over_models
def test_layers_keep_what_the_engine_allocates(file, model):
    metadata = typed(model["metadata"])
    layers = arch.find(metadata["general.architecture"]).layers(metadata)
    cells = golden(file)["ctx_size"]

    total = 0
    for layer in layers:
        # llama-kv-cache-iswa.cpp: a window keeps itself and one physical batch, padded to 256 cells.
        kept = cells if layer.window is None else min(cells, padded(layer.window + 512, 256))
        total += 2 * kept * (layer.kv_heads * (layer.key_dim + layer.value_dim) + layer.index_key + layer.index_value)
        total += 4 * (layer.conv_state + layer.recurrent_state)

    # Some families keep a cache for the blocks that predict ahead as well.
    assert trunk_count(metadata) <= len(layers) <= block_count(metadata)
    assert total == model["context"]


@over_models
def test_tensor_names_are_unique_and_shapes_positive(file, model):
    metadata = typed(model["metadata"])
    blanks = arch.find(metadata["general.architecture"]).tensors(metadata)

    assert len({blank.name for blank in blanks}) == len(blanks)
    assert all(min(blank.shape) > 0 for blank in blanks)


@pytest.mark.parametrize("value", [None, -1, 0, 2**62, "many", 1.5, Array(4, 2, None), Array(4, 1, b"\1\0\0\0")])
@over_models
def test_bad_metadata_are_an_input_error_or_a_model(file, model, value):
    metadata = typed(model["metadata"])
    family = arch.find(metadata["general.architecture"])
    for key in metadata.keys() - {"general.architecture"}:
        bad = {**metadata, key: value}
        if value is None:
            del bad[key]
        for read in (family.layers, family.tensors):
            complaint = complaint_of(read, bad)
            # Without one key another may be what is missed; either way the message names a key.
            assert complaint is None or f"{metadata['general.architecture']}." in complaint


def complaint_of(read, metadata):
    """What an ``InputError`` says; ``None`` for a model; anything else escapes and fails the test."""
    try:
        read(metadata)
    except InputError as error:
        return str(error)
    return None
