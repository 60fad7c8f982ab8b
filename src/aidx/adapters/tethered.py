"""Becomes another program, which then dies with the process that started it: ``python -m aidx.adapters.tethered ARGV``.

What the program writes to standard output goes to standard error, so that one pipe has all of it, in order.
"""

import os
import sys

from aidx.adapters.tether import die_with_parent


def main() -> None:
    """Tie, and become; exit status 127 says that there is no such program."""
    die_with_parent()
    os.dup2(2, 1)
    try:
        os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - argv is a list, no shell sees it
    except OSError as error:
        sys.stderr.write(f"E {sys.argv[1]} cannot be started: {error.strerror}\n")
        os._exit(127)


if __name__ == "__main__":
    main()
