"""A cell that was stopped goes on with the same bits: never a draw used twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radpriv.benchmark.encoders.features import FeatureCache
from radpriv.benchmark.privacy.accounting.ledger import Ledger
from radpriv.benchmark.privacy.run import Run
from radpriv.benchmark.runs import runner
from radpriv.benchmark.store.store import Store
from radpriv.benchmark.suites.job import Job

Make = Callable[..., Any]
STEPS = 5
JobsOf = Callable[..., list[Job]]


def all_in_one(bench: Any) -> None:
    """Stopped at every step in turn, once before and once after its line is on disk."""
    reference = bench.whole()
    assert not [name for name in reference if "checkpoint" in name]
    total = len(reference["ledger.jsonl"].splitlines())
    trial = bench.fresh()
    trial.stopped("_release", "after", 2)
    seen = [trial.releases()]
    while seen[-1] < total:
        trial.stopped("_release", "before", 2)  # the first is made again
        trial.stopped("_release", "after", 1)
        seen.append(trial.releases())
    assert seen == list(range(2, total + 1))
    assert trial.ends() == reference
    assert not trial.attempts and not trial.folder.exists()
    assert trial.keys.drawn == (trial.job.cell.noise_mode == "secret")


@pytest.mark.parametrize("noise", ["replayable", "secret"])
@pytest.mark.parametrize("method", ["Decays", "Averages"])
def test_a_run_stopped_at_every_step_ends_with_the_same_bits(
    method: str, noise: str, bench: Make
) -> None:
    all_in_one(bench(method, noise))


@pytest.mark.parametrize("method", ["dp_bow", "dp_linear_probe", "dp_lora"])
def test_shipped_method_stopped_twice_ends_with_the_same_bits(
    method: str, device: torch.device, jobs_of: JobsOf, bench: Make
) -> None:
    """A shipped method stopped at two steps ends with the same bits."""
    jobs = jobs_of(method, noise='"secret"')
    trial = bench(next(j for j in jobs if j.cell.method == method))
    trial.context.device = device
    reference = trial.whole()
    trial = trial.fresh()
    trial.stopped("_release", "after", 2)
    trial.stopped("_release", "before", 3)
    trial.context.cache = FeatureCache(None)  # as a process of its own
    assert trial.ends() == reference
    assert trial.keys.drawn == 1 and not trial.attempts


def test_releases_of_gradient_canaries_outlive_a_stop(jobs_of: JobsOf, bench: Make) -> None:
    """What releases showed of gradient canaries outlives a stop."""
    jobs = jobs_of("dp_bow", noise='"secret"', canaries='[{kind = "gradient", count = 9}]')
    trial = bench(next(j for j in jobs if j.cell.method == "dp_bow"))
    reference = trial.whole()
    assert "private/projections.parquet" in reference
    trial = trial.fresh()
    trial.stopped("_release", "after", 2)
    trial.stopped("_release", "before", 3)
    assert trial.ends() == reference


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["replayable", "secret"])
@pytest.mark.parametrize("method", ["dp_bow", "dp_linear_probe", "dp_lora"])
def test_shipped_method_stopped_at_every_step_ends_the_same(
    method: str, noise: str, jobs_of: JobsOf, bench: Make
) -> None:
    """A shipped method stopped at every step ends with the same bits."""
    jobs = jobs_of(method, noise=f'"{noise}"')
    all_in_one(bench(next(j for j in jobs if j.cell.method == method)))


@settings(
    max_examples=8,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.sampled_from(["Decays", "QueriesFirst", "TwoLoops", "Averages"]),
    st.sampled_from(["replayable", "secret"]),
    st.lists(
        st.tuples(
            st.sampled_from(["before", "after"]), st.integers(1, STEPS), st.sampled_from([0.0, 1e9])
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_runs_stopped_at_drawn_steps_end_the_same_or_rekeyed(
    bench: Make,
    tmp_path_factory: pytest.TempPathFactory,
    method: str,
    noise: str,
    stops: list[tuple[str, int, float]],
) -> None:
    """Runs stopped at drawn steps end with the same bits or under a new key.

    With checkpoints after each step or none: a run without one begins anew.
    """
    trial = bench(method, noise)
    trial.context.store = Store(tmp_path_factory.mktemp("drawn") / "store")
    trial.keys.drawn = 0
    for when, count, every in stops:
        trial.context.checkpoint_every = every
        try:
            with trial.stop(Run, "_release", when, count):
                trial.run()
        except KeyboardInterrupt:
            pass
    found = trial.ends()
    key = trial.keys.drawn
    assert len(trial.attempts) + 1 >= key
    assert trial.whole(max(key - 1, 0)) == found


ELSEWHERE = {
    "as a checkpoint is written": ("radpriv.benchmark.privacy.checkpoint", "atomic_write", 3),
    "as the first candidates are scored": ("radpriv.benchmark.runs.runner", "_logits", 2),
    "as the model is saved": ("radpriv.benchmark.methods.fitted", "write_spec", 1),
    "as the record is written": ("radpriv.benchmark.runs.runner", "write", 1),
    "as the provenance is written": ("radpriv.benchmark.runs.runner", "write", 2),
}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("place", ELSEWHERE)
def test_a_run_stopped_outside_its_steps_goes_on_too(place: str, when: str, bench: Make) -> None:
    import importlib

    module, name, count = ELSEWHERE[place]
    trial = bench("Decays")
    reference = trial.whole()
    trial = trial.fresh()
    trial.stopped(name, when, count, owner=importlib.import_module(module))
    assert trial.ends() == reference
    assert trial.keys.drawn == 1 and not trial.attempts


def test_without_the_ledgers_check_two_values_would_share_a_draw(
    bench: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    values: dict[int, set[str]] = {}
    release = Run._release

    def kept(self: Run, place: Any, *args: Any) -> Any:
        noised = release(self, place, *args)
        values.setdefault(place.step, set()).add(noised.sha256)
        return noised

    def unchecked(self: Ledger, value: Any) -> None:
        if self._earlier:
            self._earlier.popleft()
        self.releases.append(value)

    monkeypatch.setattr(Run, "_release", kept)
    monkeypatch.setattr(runner, "_check_unchanged", lambda *_: None)
    for check, most in ((Ledger.append, 1), (unchecked, 2)):
        values.clear()
        trial = bench("Forgets", "replayable").fresh(check.__name__)
        with trial.checkpoint_only_after(2):
            trial.stopped("_release", "after", STEPS)
        monkeypatch.setattr(Ledger, "append", check)
        trial.run()
        assert max(map(len, values.values())) == most and len(values) == STEPS
