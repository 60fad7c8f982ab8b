"""Feeds the pure generators of ``plan`` with a prober's answers."""

from collections.abc import Generator
from typing import TYPE_CHECKING, TypeVar, cast

from msgspec.structs import replace

from aidx.plan.need import Need
from aidx.plan.probe import Answer, Probe, Unanswered

if TYPE_CHECKING:
    from aidx.ports.prober import Prober

Found = TypeVar("Found")


def asked(need: Need, prober: "Prober | None") -> Need:
    """*need*, fast where there is nobody to ask."""
    return replace(need, fast=need.fast or prober is None)


def drive(run: Generator[Probe, Answer, Found], prober: "Prober | None") -> Found:
    """What *run* returns; blocks while *prober* asks the engine."""
    try:
        probe = next(run)
        while True:
            probe = run.send(Unanswered("no engine was named") if prober is None else prober.ask(probe))
    except StopIteration as stop:
        return cast("Found", stop.value)
