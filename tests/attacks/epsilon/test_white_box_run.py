"""White-box audits of real private runs at ε = 10: at least 80% of the ideal value, and below the
certificate. A run is made by the runner and read from its cell's files.

    pytest -m slow -s tests/attacks/epsilon/test_white_box_run.py       # prints the figures

DP-LoRA needs the weights of MiniLM (extra `offline`) and takes some minutes on one core.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from radpriv.attacks.epsilon.audit_report import audit
from radpriv.attacks.epsilon.ideal import steps_of
from radpriv.attacks.epsilon.white_box import log_odds
from radpriv.attacks.view import Projections
from radpriv.benchmark.encoders.features import FeatureCache
from radpriv.benchmark.privacy.accounting.ledger import groups, read
from radpriv.benchmark.runs.runner import Context, run_cell
from radpriv.benchmark.store.audit_schema import Audit
from radpriv.benchmark.store.fingerprint import Fingerprint
from radpriv.benchmark.store.store import Store
from radpriv.benchmark.suites.expansion import expand
from radpriv.benchmark.suites.suite import read_suite

HOW = Fingerprint({"made.up": "00"}, {}, {"numpy": "2"}, "3.11", "cpu", "float32")
SUITE = """
name = "white-box"
encoders = ["minilm"]
epsilons = [10]
seeds = {seeds}
control = false
audit_share = 0.1
canaries = [{{ kind = "gradient", count = {n} }}]

[[datasets]]
name = "synthetic-plain"
n_public = {n}
options = {{ reports = {reports} }}

[[methods]]
name = "{method}"
params = {{ {params} }}
"""


def audits(folder: Path, method: str, params: str, n: int, seeds: int) -> tuple[Audit, float]:
    """(the audit of a family, its certificate), from private files and ledgers alone."""
    path = folder / "white-box.toml"
    reports = 4 * n // 3
    path.write_text(SUITE.format(method=method, params=params, n=n, reports=reports, seeds=seeds))
    context = Context(Store(folder / "store"), FeatureCache(folder / "cache"), None)
    scores, coins = [], []
    certificate, delta, steps = 0.0, 0.0, ()
    for job in expand(read_suite(str(path)), None):
        cell = run_cell(job, HOW, context).folder
        kinds = pq.read_table(cell / "private" / "candidates.parquet")["kind"].to_pylist()
        gradient = np.array([kind == "gradient" for kind in kinds])
        flags = pq.read_table(cell / "private" / "flags.parquet")["member"].to_numpy()
        shown = pq.read_table(cell / "private" / "projections.parquet")["values"].to_pylist()
        releases = read(cell / "ledger.jsonl")
        norm = np.array([r.sensitivity for r in releases])
        sigma = norm * np.array([r.noise_multiplier for r in releases])
        rate = np.array([r.rate for r in releases])
        scores.append(log_odds(Projections(np.array(shown), norm, sigma, rate)))
        coins.append(flags[gradient].astype(bool))
        record = json.loads((cell / "record.json").read_text())["certificate"]
        certificate, delta = record["epsilon"], record["delta"]
        steps = steps_of(groups(releases))
    return audit(scores, coins, delta, steps), certificate


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "params", "seeds"),
    [
        ("dp_bow", "steps = 60", 3),
        ("dp_lora", "top_layers = 1, rate = 0.1, steps = 25, max_length = 96", 2),
    ],
)
def test_real_run_shows_80_percent_of_the_ideal_value(
    tmp_path: Path, method: str, params: str, seeds: int
) -> None:
    """A real run shows 80 percent of the ideal value and less than its certificate."""
    found, certificate = audits(tmp_path, method, params, 1200, seeds)
    assert found.ideal is not None and found.share is not None and found.ideal_fdp is not None
    print(
        f"\n{method}: certificate {certificate:.3f}, one-run {found.one_run.epsilon:.3f}, ideal "
        f"{found.ideal.epsilon:.3f} ± {found.ideal.error:.3f}, ceiling {found.ideal.ceiling:.3f}; "
        f"f-DP ({found.fdp_kind}) {found.fdp.epsilon:.3f}, ideal {found.ideal_fdp.epsilon:.3f}; "
        f"GDP (estimate) {found.gdp:.3f}"
    )
    assert found.share >= 0.8
    assert 0.5 < found.one_run.epsilon < certificate <= 10.0
    assert found.fdp.epsilon < certificate
