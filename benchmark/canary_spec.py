"""What a suite may plant: kinds and numbers of canaries (audit_set/canaries.py makes them)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from radpriv.benchmark.strict import file_format
from radpriv.errors import SuiteError

GRADIENT = "gradient"
KINDS = ("rare-token", "secret", GRADIENT, "mislabelled")
MOST = 100_000


@file_format
@dataclass(frozen=True)
class Planting:
    """Canaries of one kind.

    count: how many.  copies: records of each, for kind "secret".  space: number of possible
    secrets, a power of ten.  share: of the candidates, for kind "mislabelled".
    """

    kind: str
    count: int = 0
    copies: int = 1
    space: int = 1_000_000
    share: float = 0.0

    def __post_init__(self) -> None:
        where = f"canaries of kind '{self.kind}'"
        if self.kind not in KINDS:
            raise SuiteError(f"{where}: one of {', '.join(KINDS)}")
        if self.kind == "mislabelled":
            if not 0 < self.share < 1:
                raise SuiteError(
                    f"{where}: share = {self.share}: give a fraction in (0, 1); all of them is the "
                    "positive control"
                )
            if self.count or self.copies != 1:
                raise SuiteError(f"{where}: give a share of the candidates, and no count")
            return
        if self.share:
            raise SuiteError(f"{where}: share = {self.share}: give a count; these are added")
        if not 1 <= self.count * self.copies <= MOST or self.copies < 1:
            raise SuiteError(f"{where}: count · copies must be between 1 and {MOST:,}")
        if self.copies > 1 and self.kind != "secret":
            raise SuiteError(f"{where}: copies = {self.copies}: only a secret has copies")
        digits = round(math.log10(self.space)) if self.space > 0 else 0
        if self.space != 10**digits or not 2 <= digits <= 12:
            raise SuiteError(f"{where}: space = {self.space}: a power of ten from 100 to 10^12")

    @property
    def name(self) -> str:
        """The kind as the store names it, e.g. "secret*16"."""
        return self.kind if self.copies == 1 else f"{self.kind}*{self.copies}"
