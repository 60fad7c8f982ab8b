"""The numbers of file types are the engine's: ``llama_ftype_name`` names each of ours and no other."""

import json
import subprocess
import sys

import pytest

from aidx.model.quants import parse_name

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the wheel's library is opened on Linux only")
PROGRAM = """
import ctypes, json, xllamacpp.xllamacpp as wheel
name = ctypes.CDLL(wheel.__file__).llama_ftype_name
name.restype, name.argtypes = ctypes.c_char_p, [ctypes.c_int]
print(json.dumps([name(number).decode() for number in range(64)]))
"""
SIZES = {"Small": "_S", "Medium": "_M", "Large": "_L", "MoE": "_MOE"}
UNUSUAL = {"all F32": "F32", "Q2_K - Medium": "Q2_K", "IQ3_S mix - 3.66 bpw": "IQ3_M"}


def ours(engine_name: str) -> str | None:
    """``Q4_K_M`` for ``Q4_K - Medium``, ``IQ4_XS`` for ``IQ4_XS - 4.25 bpw``."""
    if engine_name.startswith("unknown"):
        return None
    first, *rest = engine_name.replace(" - ", " ").split()
    return UNUSUAL.get(engine_name, first + SIZES.get(rest[0] if rest else "", ""))


def test_every_number_has_the_name_that_the_engine_gives_it():
    printed = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    named = json.loads(printed)

    assert {number: parse_name(number) for number in range(64)} == {
        number: ours(name) for number, name in enumerate(named)
    }
