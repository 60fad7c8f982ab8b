"""What the operator is told of a bug of ours: where, and never what was asked."""

from collections.abc import Callable
from traceback import format_tb


def telling(tell: Callable[[str], object], *, verbose: bool) -> Callable[[Exception], None]:
    """Hands *tell* a line about an exception; *verbose*: and where it was raised. Its text may be a user's."""

    def told(bug: Exception) -> None:
        name = type(bug).__name__
        if verbose:
            where = "".join(format_tb(bug.__traceback__))
            tell(f"aidx: a request ended with an internal error ({name}), which is a bug in aidx:\n{where.rstrip()}")
        else:
            tell(f"aidx: a request ended with an internal error ({name}), which is a bug in aidx: -v shows where")

    return told
