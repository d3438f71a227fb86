"""What is promised, to whom, and under which assumptions, in plain words."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from radpriv.reports.render.numbers import delta_name
from radpriv.reports.results.dataset_scores import DatasetScores


def claim(scores: DatasetScores | None) -> tuple[str, ...]:
    """A sentence each; one that says so where nothing is promised."""
    every = [record for row in (scores.rows if scores else ()) for record in row.records]
    certified = [(r, r.claim, r.certificate) for r in every if r.claim and r.certificate]
    if not certified:
        return ("No finished cell makes a privacy claim.",)

    def all_of(values: Iterable[Any]) -> str:
        return ", ".join(sorted({str(v) for v in values}))

    unit = all_of(c.unit for _, c, _ in certified)
    adjacency = all_of(c.adjacency for _, c, _ in certified).replace("_", " or ")
    deltas = all_of(delta_name(c.delta) for _, c, _ in certified)
    budgets = sorted({c.epsilon for _, c, _ in certified})
    factors = ", ".join(f"{odds_factor(e)} at ε = {e:g}" for e in budgets)
    sentences = [
        f"Whoever sees a private model can sharpen the odds that any one {unit} was in its "
        f"training set ({adjacency} one {unit}) by a factor of at most exp(ε), which is "
        f"{factors}, except with probability about δ = {deltas}. A large factor is a weak promise.",
        f"ε was computed from the ledger of what was released when each run ended, by "
        f"{all_of(c.accountant for _, _, c in certified)}; standing of the claim: "
        f"{all_of(c.standing for _, c, _ in certified)}.",
    ]
    sources = sorted(
        {f"{r.cell.method}: {bound.source}" for r, _, _ in certified for bound in r.declared}
    )
    if sources:
        sentences.append(
            "A bound is declared, by a theorem, where it is not a clip that the waist applies: "
            f"{'; '.join(sources)}. `radpriv check METHOD` tries it."
        )
    modes = {r.cell.noise_mode for r, _, _ in certified}
    if "replayable" in modes:
        sentences.append(
            "Noise mode: replayable. The noise can be drawn again from the suite's key, so the "
            "guarantee holds only against who does not know the key."
        )
    if "secret" in modes:
        sentences.append(
            "Noise mode: secret. The key came from the operating system and never leaves the "
            "run's private folder."
        )
    pretrained = {r.encoder.pretrained_on for r, _, _ in certified if r.encoder}
    if pretrained:
        sentences.append(
            f"Not covered: what the encoder learned before ({'; '.join(sorted(pretrained))}), the "
            "test records, and rows without a certificate."
        )
    return tuple(sentences)


def odds_factor(epsilon: float) -> str:
    """exp(ε) as a reader takes it in: "1.01", "2.7", "22,026", "4e+43", "exp(2000)"."""
    if epsilon > 700:  # where exp leaves the range of float64
        return f"exp({epsilon:.4g})"
    factor = math.exp(epsilon)
    return f"{factor:,.0f}" if 10 <= factor < 1e7 else f"{factor:.3g}"
