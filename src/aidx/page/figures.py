"""How numbers are written for people: GiB (2^30) for memory, grouped digits for counts."""

from aidx.budget.sizes import GIB


def gib(count: int) -> str:
    """*count* bytes in GiB; small amounts keep two significant digits, so that nothing looks like zero."""
    value = count / GIB
    if not count or abs(value) >= 0.1:
        return f"{value:.2f} GiB"
    places = 2
    while places < 9 and not round(abs(value) * 10 ** (places - 1)):
        places += 1
    return f"{value:.{places}f} GiB"


def grouped(count: int) -> str:
    """*count* with a comma every three digits."""
    return f"{count:,}"


def percent(part: int, whole: int) -> str:
    """*part* of *whole* with one decimal; of nothing, everything is 0.0 %."""
    return f"{100 * part / whole if whole else 0.0:.1f} %"
