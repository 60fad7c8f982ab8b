"""A run by hand: a plan of 100 MiB on the host, held to it at a full pool."""

from aidx.budget.compare import Difference
from aidx.budget.ledger import Account, Entry, Ledger
from aidx.budget.proof import Evidence, Moment, Peak, Requests, Slope

MIB = 1 << 20
ENTRIES = (
    Entry("weights", 40 * MIB, "40 tensors", "exact"),
    Entry("kv_cache", 20 * MIB, "layers x cells", "exact"),
    Entry("compute", 8 * MIB, "asked", "engine"),
    Entry("engine_process", 32 * MIB, "aidx's default", "assumed"),
    Entry("desktop", 500 * MIB, "others", "measured"),
)


def evidence(**changes):
    taken = tuple(Entry(entry.what, entry.bytes, "logged", "measured") for entry in ENTRIES[:3])
    rows = tuple(Difference("host", entry.what, entry.bytes, entry.bytes, 10_485) for entry in ENTRIES[:3])
    return Evidence(
        **{
            "ledger": Ledger((Account("host", "host", 4 << 30, ENTRIES),)),
            "rows": rows,
            "allocated": {"host": taken},
            "peaks": (Peak("host", 100 * MIB, 92 * MIB),),
            "ceiling": 100 * MIB,
            "kind": "cgroup2",
            "held": True,
            "occupancy": 0.998,
            "requests": Requests(30, 4, 3, 0),
            "over_refused": True,
            "growth": Slope(100.0, -50.0, 250.0, 24),
            "build": "xllamacpp 1",
            "tokens_per_second": 50.0,
            "timeline": (
                Moment(0.0, 0, "start"),
                Moment(0.5, 90 * MIB, "loaded"),
                Moment(2.0, 92 * MIB, "pool filled"),
            ),
            **changes,
        }
    )
