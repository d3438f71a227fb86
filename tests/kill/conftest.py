"""A server that forks one process for each order, to be killed: a fork imports nothing anew.

    with fork_server(__file__, first, log) as ask:
        status, seconds = ask(order, log, after=0.5)

The server is this file, run as a program on a test file. The first order goes to the test file's
`begin`, in the server itself, so that the forks have what it imported; every other goes to `obey`,
in a fork that lives until it ends, kills itself, or is killed. Both return an exit status.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

Ask = Callable[..., tuple[int, float]]


@pytest.fixture(scope="session")
def fork_server() -> Any:
    return server


@contextmanager
def server(program: str, first: dict[str, Any], log: Path) -> Iterator[Ask]:
    """Inside, what forks a process for an order: its exit status, and the seconds it lasted.

    program: path of the test file. first: what it begins with, which must succeed. log: where what
    is printed goes, of each order to a file of its own. after: seconds until a fork is killed.
    """
    process = subprocess.Popen(
        [sys.executable, "-P", __file__, program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stdin and process.stdout
    orders, answers = process.stdin, process.stdout

    def ask(order: dict[str, Any], log: Path, after: float | None = None) -> tuple[int, float]:
        print(json.dumps([order, str(log), after]), file=orders, flush=True)
        answer = answers.readline()
        assert answer, f"the server died: {log.read_text() if log.is_file() else 'no log'}"
        status, seconds = json.loads(answer)
        return int(status), float(seconds)

    try:
        status, _ = ask(first, log)
        assert status == 0, log.read_text()
        yield ask
    finally:
        orders.close()
        process.wait()


def serve(path: str) -> None:
    """The program: one line of JSON in for each order, one out."""
    spec = spec_from_file_location("program", path)
    assert spec and spec.loader
    program = sys.modules["program"] = module_from_spec(spec)
    spec.loader.exec_module(program)
    answers = os.fdopen(os.dup(1), "w")  # 1 and 2 become the logs'
    for number, line in enumerate(sys.stdin):
        order, log, after = json.loads(line)
        begun = time.monotonic()
        if number == 0:
            status = obeyed(program.begin, order, log)
        else:
            child = os.fork()
            if not child:
                os._exit(obeyed(program.obey, order, log))
            if after is not None:
                time.sleep(after)
                os.kill(child, signal.SIGKILL)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps([status, time.monotonic() - begun]), file=answers, flush=True)


def obeyed(obey: Callable[[dict[str, Any]], int], order: dict[str, Any], log: str) -> int:
    """Obey here, with what is printed in the log; the exit status, 1 after an exception."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.close(file)
    try:
        return obey(order)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


if __name__ == "__main__":
    serve(sys.argv[1])
