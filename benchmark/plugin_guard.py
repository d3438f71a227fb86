"""Code that is not ours must not end the process in our name.

    with staying():
        method.fit(...)         # os._exit(0) in there raises SystemExit(0), as sys.exit(0) does

A method that calls `os._exit(0)` would otherwise end a check, or a run, with the status of success
and without a word. This is for accidents and for cheap tricks: code that means harm can reach the
operating system by other ways, and must be read, not run.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_lock = threading.Lock()
_inside = threading.local()
_blocks = 0
_exit = os._exit


def _ends(status: int) -> Any:
    """os._exit as it is, but in a thread that is inside the block; a forked child has its own."""
    if getattr(_inside, "process", None) == os.getpid():
        raise SystemExit(status)
    _exit(status)


@contextmanager
def staying() -> Iterator[None]:
    """os._exit called by this thread inside the block raises SystemExit; blocks may be nested."""
    global _blocks
    before = getattr(_inside, "process", None)
    with _lock:
        _blocks += 1
        os._exit = _ends
    _inside.process = os.getpid()
    try:
        yield
    finally:
        _inside.process = before
        with _lock:
            _blocks -= 1
            if not _blocks:
                os._exit = _exit
