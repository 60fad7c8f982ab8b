"""How numbers are written for people: GiB (2^30) for memory, grouped digits for counts."""


def grouped(count: int) -> str:
    """*count* with a comma every three digits."""
    return f"{count:,}"


def percent(part: int, whole: int) -> str:
    """*part* of *whole* with one decimal; of nothing, everything is 0.0 %."""
    return f"{100 * part / whole if whole else 0.0:.1f} %"
