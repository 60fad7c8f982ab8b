"""``python -m aidx`` is the command."""

from aidx.cli.main import main

if __name__ == "__main__":
    main()
