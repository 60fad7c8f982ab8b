"""Which engine auto takes."""

import pytest

from aidx.errors import EngineError
from aidx.plan.auto import Candidate, first, lists_gpu

CUDA = "Available devices:\n  CUDA0: NVIDIA GeForce RTX 3060 (11911 MiB, 11800 MiB free)\n"


def test_the_first_that_nothing_is_in_the_way_of_and_the_rest_is_not_asked() -> None:
    def candidates():
        yield Candidate("embedded", "is a build for the CPU")
        yield Candidate("llama-server")
        raise AssertionError("nobody needs to look further")

    assert first(candidates(), 33) == "llama-server"


def test_none_is_an_error_with_every_reason_and_the_line_that_installs_one() -> None:
    with pytest.raises(EngineError, match=r"33 layers.*embedded is blind; ollama does not run") as blind:
        first([Candidate("embedded", "is blind"), Candidate("ollama", "does not run")], 33)
    assert (blind.value.exit_code, blind.value.code) == (4, "no_gpu")
    assert "install" in blind.value.hint.lower()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (CUDA, True),
        (CUDA.replace("CUDA0", "Vulkan0"), True),
        (CUDA.replace("CUDA0", "MTL0"), True),
        (CUDA.replace("CUDA0", "CPU"), False),
        (CUDA.replace("CUDA0", "BLAS"), False),
        ("Available devices:\n", False),
        ("error: invalid argument: --list-devices\n", False),
        ("", False),
    ],
)
def test_what_llama_server_lists(text, found) -> None:
    assert lists_gpu(text) is found
