"""Programs that heed signals, whoever started the tests."""

from __future__ import annotations

import signal


def heed_signals() -> None:
    """Make a child process heed what ends programs, which a shell's job in the background ignores."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
