"""Carries out what the pipeline decides; the only part of it that touches the world."""

from aidx.pipeline.run.bench import Bench
from aidx.pipeline.run.drive import World, drive
from aidx.pipeline.run.models import Seat

__all__ = ["Bench", "Seat", "World", "drive"]
