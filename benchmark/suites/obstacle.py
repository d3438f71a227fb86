"""What stops many cells alike: found before the first is run, said once; the others run.

What a suite names and cannot be asked for (an encoder's folder that is not there) is left out by
`expand(…, obstacles=found)`; what cannot be run, by `runs/needs.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from radpriv.errors import RadprivError


@dataclass(frozen=True)
class Obstacle:
    """stopped: which cells it stops, in words.  error: what is wrong, and what to do."""

    stopped: str
    error: RadprivError

    @property
    def line(self) -> str:
        return f"{self.stopped} cannot be run: {self.error}"
