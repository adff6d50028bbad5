"""Where the command `ropewalk` begins, and `python -m ropewalk`: from here on Ctrl-C ends it quietly.

Checked by: tests/cli/test_main.py
"""

import sys


def main() -> None:
    """Run the command line."""
    try:
        # Imported here: that takes long enough to be broken off.
        from ropewalk.cli.main import main as run

        run()
    except KeyboardInterrupt:
        # As shells say that this signal ended it.
        sys.exit(130)


if __name__ == "__main__":
    main()
