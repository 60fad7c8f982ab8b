"""What processes hold, held against what psutil sees of the same ones, and against what they were told to hold."""

import os
import subprocess
import sys

import psutil
import pytest

from aidx.adapters.sampling.tree import TreeSampler

MIB = 1 << 20
TREE = """
import subprocess, sys
kept = b"x" * (20 << 20)
more = "import sys; kept = b'x' * (30 << 20); print('up', flush=True); sys.stdin.read()"
with subprocess.Popen([sys.executable, "-c", more]):
    sys.stdin.read()
"""


@pytest.fixture
def tree():
    with subprocess.Popen([sys.executable, "-c", TREE], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process.pid
        process.kill()
        for child in psutil.Process(process.pid).children():
            child.kill()


def test_a_process_and_its_child_are_summed(tree):
    found = TreeSampler(lambda: [tree]).read()
    every = [psutil.Process(tree), *psutil.Process(tree).children()]

    assert found.processes == 2
    assert found.anonymous > 50 * MIB
    assert found.resident == pytest.approx(sum(each.memory_info().rss for each in every), rel=0.02)
    assert found.peak >= found.resident


def test_the_peak_stays_when_memory_goes(tree):
    sampler = TreeSampler(lambda: [tree])
    before = sampler.read()
    psutil.Process(tree).children()[0].kill()
    while TreeSampler(lambda: [tree]).read().processes > 1:
        pass
    after = sampler.read()

    assert after.peak >= before.peak


def test_one_that_is_named_twice_counts_once():
    assert TreeSampler(lambda: [os.getpid(), os.getpid()]).read().processes >= 1
    one, two = (TreeSampler(lambda n=n: [os.getpid()] * n).read().resident for n in (1, 2))
    assert two < 1.5 * one


def test_nobody_is_nothing():
    assert TreeSampler(list).read() is None
    assert TreeSampler(lambda: [999_999_999]).read() is None


def test_gpus_are_asked_about_the_whole_tree(tree):
    asked = []

    def gpus(pids):
        asked.append(pids)
        return {"gpu0": 5}

    assert TreeSampler(lambda: [tree], gpus).read().gpus == {"gpu0": 5}
    assert asked == [frozenset({tree, psutil.Process(tree).children()[0].pid})]
