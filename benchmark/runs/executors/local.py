"""Runs jobs on this machine, one after another, behind the interface of concurrent.futures.

One at a time because a cell already uses every core; a killed process loses the running cell only.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

T = TypeVar("T")


class LocalExecutor(Executor):
    """`submit` runs the call before it returns; the future holds its result or its exception."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future
