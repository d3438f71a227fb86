"""Ctrl-C: the first stops in good order and says so in one line, the second ends at once, silently.

    with ctrl_c():
        try:
            work()
        except KeyboardInterrupt:
            print_interrupted(console, "finished cells are kept, run again to go on")
            sys.exit(130)

A second one comes while the first is being obeyed, when Python would print a traceback: a worker
that gives back its lock, or the interpreter on its way out. What it cuts short is as if the process
had been killed, which the store survives (store/pending_result.py).
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console

from radpriv.terminal import styled

STATUS = 130
SHOW_CURSOR = "\x1b[?25h"
_announced = False
_exit = os._exit


@contextmanager
def ctrl_c() -> Iterator[None]:
    """Obeys interrupts as above, unless the process was started to ignore them."""
    global _announced
    _announced = False
    before = signal.getsignal(signal.SIGINT)
    ours = threading.current_thread() is threading.main_thread() and before != signal.SIG_IGN
    if ours:
        atexit.unregister(_last)
        atexit.register(_last)
        signal.signal(signal.SIGINT, _first)
    try:
        yield
    finally:
        if ours and signal.getsignal(signal.SIGINT) is _first:
            signal.signal(signal.SIGINT, before)


def print_interrupted(console: Console, kept: str) -> None:
    """The one line of the first interrupt. kept: what is not lost, and how to go on."""
    global _announced
    if not _announced:
        _announced = True
        console.print(styled(("interrupted", "yellow"), f"; {kept}"))


def _first(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, _second)
    raise KeyboardInterrupt


def _last() -> None:
    """Python puts the default back when it ends, by which a late interrupt changes the status."""
    if signal.getsignal(signal.SIGINT) is _second:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _second(number: int, frame: FrameType | None) -> None:
    if sys.stderr.isatty():  # a progress bar hides it
        os.write(2, SHOW_CURSOR.encode())
    if not _announced:
        os.write(2, b"interrupted; what had finished is kept, run again to go on\n")
    _exit(STATUS)
