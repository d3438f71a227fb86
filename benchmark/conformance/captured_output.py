"""What a method prints while it trains: a way out of the waist that no ledger line covers.

    with captured_output() as printed:
        method.fit(…)
    printed()               # all that this thread wrote to stdout, stderr and the root's loggers

Other threads (a progress bar) write as before. Warnings are no part of it: libraries give many of
them once a process, so they would differ between two runs of the same data. Nor is what goes past
Python's streams, straight to a file descriptor.
"""

from __future__ import annotations

import io
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TextIO

MOST = 1 << 20
"""Characters that are kept; what is printed beyond is dropped."""


class _Ear(io.TextIOBase):
    """A stream that keeps what one thread writes and hands on what others do."""

    def __init__(self, behind: TextIO, kept: list[str], thread: int) -> None:
        self._behind, self._kept, self._thread = behind, kept, thread
        self._left = MOST

    def write(self, text: str) -> int:
        if threading.get_ident() != self._thread:
            return self._behind.write(text)
        self._kept.append(text[: self._left])
        self._left -= len(self._kept[-1])
        return len(text)

    def flush(self) -> None:
        self._behind.flush()

    def isatty(self) -> bool:
        return threading.get_ident() != self._thread and self._behind.isatty()

    def fileno(self) -> int:
        return self._behind.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._behind.encoding

    def writable(self) -> bool:
        return True


class _Log(logging.Handler):
    """Keeps the words of one thread's records, without the time; other threads' go their way."""

    def __init__(self, behind: list[logging.Handler], ear: _Ear, thread: int) -> None:
        super().__init__()
        self._behind, self._ear, self._thread = behind, ear, thread

    def emit(self, record: logging.LogRecord) -> None:
        if threading.get_ident() == self._thread:
            self._ear.write(f"{record.levelname}:{record.getMessage()}\n")
            return
        for handler in self._behind:
            handler.handle(record)


@contextmanager
def captured_output() -> Iterator[Callable[[], str]]:
    """Keeps what the calling thread prints inside the block, and shows none of it."""
    kept: list[str] = []
    me = threading.get_ident()
    out, err = _Ear(sys.stdout, kept, me), _Ear(sys.stderr, kept, me)
    root = logging.getLogger()
    before = root.handlers
    root.handlers = [_Log(before, err, me)]
    try:
        with warnings.catch_warnings(), redirect_stdout(out), redirect_stderr(err):
            warnings.simplefilter("ignore")
            yield lambda: "".join(kept)
    finally:
        root.handlers = before
