"""The command, and ``python -m mlflow2prov``: an interruption while things are imported ends it like any other."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        from mlflow2prov.cli import main as run

        run()
    except KeyboardInterrupt:
        if sys.stderr is not None:
            sys.stderr.write("mlflow2prov: error: interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
