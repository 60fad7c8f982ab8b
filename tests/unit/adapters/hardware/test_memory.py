"""Host memory: what the kernel says is what psutil says."""

import sys

import psutil
import pytest

from aidx.adapters.hardware import memory


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/meminfo is Linux's")
def test_the_kernel_and_psutil_agree():
    total, available = memory._kernel()
    now = psutil.virtual_memory()

    assert total == now.total == memory._library()[0]
    assert abs(available - now.available) < 1 << 30  # others come and go between the two looks


def test_the_host_has_no_more_than_the_machine():
    found = memory.read()

    assert found.kind == "host"
    assert 0 <= found.used <= found.total <= psutil.virtual_memory().total
