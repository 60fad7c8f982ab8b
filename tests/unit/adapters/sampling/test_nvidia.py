"""NVML's list of processes, from a driver that says what a test tells it to."""

from types import SimpleNamespace

from aidx.adapters.sampling.nvidia import NoUse, NvidiaUse


class NVMLError(Exception):
    pass


class Driver:
    NVMLError = NVMLError

    def __init__(self, **processes):
        self._processes = processes

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802 - the driver's own name
        return f"gpu{index}"

    def nvmlDeviceGetComputeRunningProcesses(self, handle):  # noqa: N802 - the driver's own name
        found = self._processes[handle]
        if found is None:
            raise NVMLError
        return [SimpleNamespace(pid=pid, usedGpuMemory=size) for pid, size in found]


def test_what_our_processes_hold_is_summed_by_gpu():
    use = NvidiaUse(Driver(gpu0=[(1, 10), (2, 5), (9, 1000)], gpu1=[(9, 7)]), [0, 1])

    assert use(frozenset({1, 2})) == {"gpu0": 15, "gpu1": 0}


def test_they_are_numbered_as_the_engine_numbers_them():
    assert NvidiaUse(Driver(gpu3=[(1, 10)]), [3])(frozenset({1})) == {"gpu0": 10}


def test_a_driver_that_gives_no_figure_is_not_taken_for_zero():
    assert NvidiaUse(Driver(gpu0=[(1, None)]), [0])(frozenset({1})) == {}
    assert NvidiaUse(Driver(gpu0=None), [0])(frozenset({1})) == {}
    assert NoUse()(frozenset({1})) == {}
