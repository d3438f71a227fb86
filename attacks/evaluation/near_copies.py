"""Which candidates a headline may count, and which resemble one another too closely for that.

A non-member whose near-copy is a member is no clean non-member: the model has seen its text. It
must not be dropped *for that reason*, though, since the reason is a coin. Take twins i and j, and
drop a non-member whose twin is in: of the four equally likely outcomes, in/in keeps two members,
out/out two non-members, and in/out keeps the member alone. A twin that is left alone is then a
member for certain, and among all kept twins two of three are, so a score that merely says "has a
twin" beats guessing on a model that never saw a record.

So the rule looks at no coin: *every* candidate, in or out, whose similarity to the nearest record
of another unit in the universe is `COPY` or more is not clean. AUC and TPR count clean candidates
only; the others make a stratum of their own. The one-run bound on ε keeps all candidates: it holds
for any data, since each coin is independent of all other records, and twins can only weaken it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radpriv.attacks.metrics import Bools
from radpriv.benchmark.datasets.audit_set.similarity import COPY

FEWEST = 10
"""Members, and non-members, that a stratum needs in every seed before it says anything."""


@dataclass(frozen=True)
class Stratum:
    """Candidates of similarity in [start, end); end None: no upper end."""

    start: float
    end: float | None

    def holds(self, similarity: NDArray[np.float32]) -> Bools:
        inside = similarity >= self.start
        return inside if self.end is None else inside & (similarity < self.end)


STRATA = (Stratum(0.0, 0.5), Stratum(0.5, COPY), Stratum(COPY, None))


def clean(similarity: NDArray[np.float32]) -> Bools:
    """bool (m,): True where no record of another unit is a near-copy."""
    return np.asarray(similarity < COPY)
