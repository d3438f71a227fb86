"""Ctrl-C and SIGTERM: one line, the shell's status, and the next run ends as if never stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

SLOW = """
import time
from dataclasses import dataclass
from pathlib import Path
from radpriv.api import methods
from radpriv.baselines.prior import Prior

@methods.register("slow")
@dataclass(frozen=True)
class Slow(Prior):
    def fit(self, train, encoder, budget, run):
        marker = Path({marker!r})
        if not marker.exists():
            marker.touch()
            time.sleep(120)
        return super().fit(train, encoder, budget, run)
"""


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_signal_leaves_one_line_and_its_status(
    tmp_path: Path, write_suite: Callable[..., Path], number: int, status: int, word: str
) -> None:
    marker = tmp_path / "training"
    plugin = tmp_path / "slow.py"
    plugin.write_text(SLOW.format(marker=str(marker)))
    suite = write_suite("prior", control="false", attacks="[]")
    start = "from radpriv.cli.main import main; main()"
    words = ["run", suite, "--method", plugin, "--store", tmp_path / "store"]
    command = [sys.executable, "-c", start, *map(str, words)]
    environment = {**os.environ, "RADPRIV_CACHE": str(tmp_path / "cache")}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        for _ in range(1200):
            if marker.exists() or process.poll() is not None:
                break
            time.sleep(0.1)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == status and out == "", err
    last = err.splitlines()[-1]
    assert last == f"{word}; finished cells are kept, run again to go on"
    assert "Traceback" not in err and len(err.splitlines()) == 2
    again = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert again.returncode == 0 and "slow" in again.stdout, again.stderr


def test_signal_that_was_ignored_at_the_start_stays_ignored(tmp_path: Path) -> None:
    """As under nohup, and in a shell's background."""
    start = (
        "import os, signal; from radpriv.interrupt import ctrl_c\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "with ctrl_c(): os.kill(os.getpid(), signal.SIGTERM)\n"
        "print('goes on')"
    )
    done = subprocess.run([sys.executable, "-c", start], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == "goes on\n"
