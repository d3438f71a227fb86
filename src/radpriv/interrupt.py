"""Ctrl-C and SIGTERM: the first stops in good order and says so in one line, the second ends at
once, silently.

    with ctrl_c():
        try:
            work()
        except KeyboardInterrupt:
            print_interrupted(console, "finished cells are kept, run again to go on")
            sys.exit(status())

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

STOPS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
"""What a shell, and a queue that wants its machine back, send; other signals keep their meaning."""
SHOW_CURSOR = "\x1b[?25h"
_announced = False
_number = int(signal.SIGINT)
_exit = os._exit


@contextmanager
def ctrl_c() -> Iterator[None]:
    """Obeys interrupts as above, unless the process was started to ignore them."""
    global _announced, _number
    _announced, _number = False, int(signal.SIGINT)
    before = {n: signal.getsignal(n) for n in STOPS}
    main = threading.current_thread() is threading.main_thread()
    ours = [n for n, old in before.items() if main and old != signal.SIG_IGN]
    if ours:
        atexit.unregister(_last)
        atexit.register(_last)
    for number in ours:
        signal.signal(number, _first)
    try:
        yield
    finally:
        for number in ours:
            if signal.getsignal(number) is _first:
                signal.signal(number, before[number])


def status() -> int:
    """The exit status by which a shell knows the signal: 130 or 143."""
    return 128 + _number


def print_interrupted(console: Console, kept: str) -> None:
    """The one line of the first interrupt. kept: what is not lost, and how to go on."""
    global _announced
    if not _announced:
        _announced = True
        word = STOPS[signal.Signals(_number)]
        console.print(styled((word, "yellow"), f"; {kept}"), soft_wrap=True)


def _first(number: int, frame: FrameType | None) -> None:
    global _number
    _number = number
    for each in STOPS:
        if signal.getsignal(each) is _first:
            signal.signal(each, _second)
    raise KeyboardInterrupt


def _last() -> None:
    """Python puts the default back when it ends, by which a late interrupt changes the status."""
    for each in STOPS:
        if signal.getsignal(each) is _second:
            signal.signal(each, signal.SIG_IGN)


def _second(number: int, frame: FrameType | None) -> None:
    if sys.stderr.isatty():  # a progress bar hides it
        os.write(2, SHOW_CURSOR.encode())
    if not _announced:
        word = STOPS[signal.Signals(_number)]
        os.write(2, f"{word}; what had finished is kept, run again to go on\n".encode())
    _exit(status())
