"""Models in several files: all parts, in order, of one model."""

import pytest
from msgspec.structs import replace
from tests.gguf_files import F32_TYPE, I32, Q4_0_TYPE, STRING, U16, U32, Craft

from aidx.errors import InputError
from aidx.model.gguf.reader import NEED_DATA, Reader
from aidx.model.gguf.render import data_size, render_header
from aidx.model.gguf.split import Part, join, part_names, part_of
from aidx.model.spec import Header


def read(craft: Craft) -> Header:
    reader = Reader(None)
    reader.feed(craft.header())
    header = reader.next()
    assert header is not NEED_DATA
    return header


def part(number: int, count: int = 3, total: int = 4) -> Craft:
    craft = Craft()
    if number == 0:
        craft.pair("general.architecture", STRING, "qwen2").pair("qwen2.block_count", U32, 2)
    craft.pair("split.no", U16, number).pair("split.count", U16, count).pair("split.tensors.count", I32, total)
    return craft


def parts() -> list[Header]:
    """As ``llama-gguf-split --no-tensor-first-split`` cuts: the first part has no tensors."""
    second = part(1).tensor("a", (32, 3), Q4_0_TYPE, 0).tensor("b", (5,), F32_TYPE, 64)
    third = part(2).tensor("c", (1,), F32_TYPE, 0).tensor("d", (8,), F32_TYPE, 32)
    return [read(part(0)), read(second), read(third)]


def test_the_parts_make_one_header():
    header = join(parts())

    assert header.metadata == {"general.architecture": "qwen2", "qwen2.block_count": 2}
    assert [(tensor.name, tensor.offset) for tensor in header.tensors] == [("a", 0), ("b", 64), ("c", 96), ("d", 128)]
    assert header.size == sum(each.size for each in parts())
    assert part_of(header) is None
    merged = Craft().pair("general.architecture", STRING, "qwen2").pair("qwen2.block_count", U32, 2)
    merged.tensor("a", (32, 3), Q4_0_TYPE, 0).tensor("b", (5,), F32_TYPE, 64)
    merged.tensor("c", (1,), F32_TYPE, 96).tensor("d", (8,), F32_TYPE, 128)
    assert render_header(header) == merged.file()
    assert data_size(header.tensors) == 160


def test_which_part_a_file_is():
    assert part_of(parts()[1]) == Part(number=1, count=3, tensors=4)
    assert part_of(read(Craft())) is None
    assert part_of(read(Craft().pair("split.count", U16, 1))) is None
    no_total = Craft().pair("split.no", U16, 0).pair("split.count", U16, 2)
    assert part_of(read(no_total)) == Part(0, 2, None)


@pytest.mark.parametrize(
    ("craft", "says"),
    [
        (Craft().pair("split.count", U16, 2), "split.no is missing"),
        (Craft().pair("split.no", U16, 2).pair("split.count", U16, 2), "split.no is 2, with split.count 2"),
        (Craft().pair("split.count", STRING, "2"), "split.count is '2', 0 to 65535"),
        (Craft().pair("split.count", U32, 65_536), "split.count is '65536'"),
        (Craft().pair("split.count", I32, -1), "split.count is '-1'"),
        (Craft().pair("split.no", 7, 1).pair("split.count", U16, 2), "split.no is 'True'"),
        (Craft().array("split.count", U16, [2]), "split.count is an array, 0 to"),
    ],
)
def test_nonsense_in_a_part(craft, says):
    with pytest.raises(InputError, match=says):
        part_of(read(craft))


def test_names_of_all_parts():
    """The names are those of the example in the engine's own ``llama.h``."""
    names = part_names("/models/ggml-model-q4_0-00002-of-00004.gguf", Part(1, 4, None))

    assert names == tuple(f"/models/ggml-model-q4_0-0000{number}-of-00004.gguf" for number in (1, 2, 3, 4))


@pytest.mark.parametrize(
    "name", ["model.gguf", "m-00001-of-00004.gguf", "m-00002-of-00003.gguf", "m-00002-of-00004.gguf\n", "m-2-of-4.gguf"]
)
def test_a_name_that_does_not_fit(name):
    with pytest.raises(InputError, match=r"part 2 of 4 has a name that does not end in -00002-of-00004\.gguf"):
        part_names(name, Part(1, 4, None))


def spoiled(number: int, **changes) -> list[Header]:
    headers = parts()
    metadata = {**headers[number].metadata, **changes.pop("metadata", {})}
    headers[number] = replace(headers[number], metadata=metadata, **changes)
    return headers


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        (parts()[:2], "the model has 3 parts, 2 are here"),
        ([*parts(), parts()[2]], "the model has 3 parts, 4 are here"),
        ([read(Craft()), *parts()[1:]], "the first of 3 parts has no split.count"),
        ([parts()[0], parts()[2], parts()[1]], "part 2 of 3 says that it is part 3 of 3"),
        ([parts()[0], parts()[1], parts()[1]], "part 3 of 3 says that it is part 2 of 3"),
        (parts()[1:] + parts()[:1], "part 1 of 3 says that it is part 2 of 3"),
        ([*parts()[:2], read(part(2, 4))], "part 3 of 3 says that it is part 3 of 4"),
        ([*parts()[:2], read(Craft())], "part 3 of 3 says that it is a whole model"),
        ([*parts()[:2], read(part(2, total=5))], "part 3 says that the model has 5 tensors, part 1 says 4"),
        ([*parts()[:2], read(part(2))], "the parts hold 2 tensors, the model has 4"),
        (spoiled(2, tensors=parts()[1].tensors), "tensor 'a' is in two parts"),
        (
            spoiled(1, metadata={"general.architecture": "llama"}),
            "part 2 is of architecture 'llama', part 1 of 'qwen2'",
        ),
    ],
)
def test_parts_that_do_not_belong_together(headers, says):
    with pytest.raises(InputError, match=says):
        join(headers)


def test_a_later_part_may_repeat_the_architecture():
    headers = spoiled(1, metadata={"general.architecture": "qwen2"})

    assert join(headers).metadata["general.architecture"] == "qwen2"
