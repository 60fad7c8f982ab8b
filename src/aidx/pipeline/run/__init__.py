"""Carries out what the pipeline decides; the only part of it that touches the world."""

from aidx.pipeline.run.bench import Bench
from aidx.pipeline.run.drive import World, drive
from aidx.pipeline.run.models import Seat
from aidx.pipeline.run.planfile import PlanFile

__all__ = ["Bench", "PlanFile", "Seat", "World", "drive"]
