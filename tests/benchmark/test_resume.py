"""A cell that was stopped goes on with the same bits, or begins anew: never a draw used twice."""

from __future__ import annotations

import errno
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radpriv.baselines.linear import LinearModel
from radpriv.benchmark import runner, work
from radpriv.benchmark.features import FeatureCache
from radpriv.benchmark.fingerprint import Fingerprint
from radpriv.benchmark.fitted import LinearFitted
from radpriv.benchmark.hashing import HashedWords
from radpriv.benchmark.job import Job
from radpriv.benchmark.method import Method
from radpriv.benchmark.privacy import calibration, streams
from radpriv.benchmark.privacy.bounded import bounded_sum
from radpriv.benchmark.privacy.checkpoint import Checkpoints
from radpriv.benchmark.privacy.clipping import clipped_sum
from radpriv.benchmark.privacy.ledger import Ledger, read
from radpriv.benchmark.privacy.release import apply
from radpriv.benchmark.privacy.run import Run
from radpriv.benchmark.runner import Context, run_cell
from radpriv.benchmark.store import Finished, Store
from radpriv.errors import StoreError

JobWith = Callable[..., Job]
JobsOf = Callable[..., list[Job]]
WORDS = HashedWords(32, 1, True)
STEPS = 5


@pytest.fixture(autouse=True, scope="module")
def calibrated_once() -> Iterator[None]:
    """The same noise multiplier is asked for by every run here."""
    patch = pytest.MonkeyPatch()
    for name in ("calibrate", "certificate"):
        patch.setattr(calibration, name, lru_cache(getattr(calibration, name)))
    yield
    patch.undo()


@dataclass(frozen=True)
class Decays(Method):
    """DP-Adam with a scheduler, both in the state; a variant below forgets one."""

    rate: float = 0.5

    uses_encoder = False

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
        model = LinearModel(32, len(train.labels), 1.0).train()
        self.loop(model, train.map("words", WORDS), run)
        return self.fitted(train, model)

    def loop(self, model: LinearModel, records: Any, run: Any, steps: int = STEPS) -> None:
        optimizer = torch.optim.Adam(model.parameters(), lr=0.5)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 / (1 + t))
        sigma = run.calibrate(self.rate, 2 * STEPS)
        state = self.state(model, optimizer, schedule)
        for step in run.poisson(records, self.rate, steps, state=state):
            total = clipped_sum(model, step.records, 0.1)
            update = step.gaussian("gradient", total, sigma) / step.expected_batch
            apply(model, optimizer, update)
            schedule.step()

    def state(self, *parts: Any) -> Any:
        return parts

    def fitted(self, train: Any, model: LinearModel) -> LinearFitted:
        weight, bias = model.head.weight.detach().numpy().T, model.head.bias.detach().numpy()
        return LinearFitted(train.labels, WORDS, weight, bias, WORDS.spec)


class Forgets(Decays):
    """Its schedule starts anew after a stop, so its noised values differ."""

    def state(self, *parts: Any) -> Any:
        return parts[:2]


class QueriesFirst(Decays):
    """Scales its features by noised moments, released by a query before the loop."""

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
        records = train.map("words", WORDS)
        sigma = run.calibrate(1.0, 1) * 3
        with run.once(records) as query:
            total = bounded_sum(lambda r: {"x": r.inputs()[0].double()}, query.records, 1.0)
            noised = query.gaussian("moments", total, sigma).tensors["x"]
        model = LinearModel(32, len(train.labels), float(noised.abs().sum()) / 100).train()
        self.loop(model, records, run)
        return self.fitted(train, model)


class TwoLoops(Decays):
    """Two loops over one model, the second shorter."""

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
        model = LinearModel(32, len(train.labels), 1.0).train()
        records = train.map("words", WORDS)
        self.loop(model, records, run, 3)
        self.loop(model, records, run, 2)
        return self.fitted(train, model)


class Averages(Decays):
    """Public jitter from a generator, and an average of the weights that no release depends on."""

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
        model = LinearModel(32, len(train.labels), 1.0).train()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
        jitter = run.rng("jitter")
        average = torch.optim.swa_utils.AveragedModel(model)
        sigma = run.calibrate(self.rate, STEPS)
        state = (model, optimizer, jitter, average)
        for step in run.poisson(train.map("words", WORDS), self.rate, STEPS, state=state):
            total = clipped_sum(model, step.records, 0.1)
            update = step.gaussian("gradient", total, sigma) / step.expected_batch
            apply(model, optimizer, update)
            with torch.no_grad():
                model.head.bias.add_(0.1 * torch.randn(len(train.labels), generator=jitter))
            average.update_parameters(model)
        return self.fitted(train, average.module)


MADE_UP = (Decays, QueriesFirst, TwoLoops, Averages)


class Keys:
    """Stands in for the operating system's entropy: the n-th key is n, repeated."""

    def __init__(self) -> None:
        self.drawn = 0

    def urandom(self, size: int) -> bytes:
        self.drawn += 1
        return bytes([self.drawn]) * size


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Keys:
    source = Keys()
    monkeypatch.setattr(streams, "os", SimpleNamespace(urandom=source.urandom))
    return source


@contextmanager
def stop(owner: Any, name: str, when: str, count: int, error: Any = None) -> Iterator[None]:
    """Inside, the `count`-th call of owner.name is interrupted before or after it was made."""
    real, left = getattr(owner, name), [count]

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] == 0 and when == "before":
            raise error or KeyboardInterrupt
        result = real(*args, **kwargs)
        if left[0] == 0:
            raise error or KeyboardInterrupt
        return result

    setattr(owner, name, wrapped)
    try:
        yield
    finally:
        setattr(owner, name, real)


@contextmanager
def checkpoint_only_after(steps: int) -> Iterator[None]:
    """Inside, the one checkpoint is that of so many steps, so that ledger lines lie beyond it."""
    real = Checkpoints.keep

    def keep(self: Checkpoints, first: int, done: int, *rest: Any) -> None:
        if done == steps:
            real(self, first, done, *rest)

    Checkpoints.keep = keep  # type: ignore[method-assign]
    try:
        yield
    finally:
        Checkpoints.keep = real  # type: ignore[method-assign]


def contents(found: Finished) -> dict[str, bytes]:
    """Every file but provenance.json, by its path in the cell."""
    return {
        p.relative_to(found.folder).as_posix(): p.read_bytes()
        for p in found.folder.rglob("*")
        if p.is_file() and p.name != "provenance.json"
    }


@dataclass
class Bench:
    """Runs of one job, each on a store of its own; a checkpoint after each step."""

    job: Job
    how: Fingerprint
    context: Context
    keys: Keys

    def __post_init__(self) -> None:
        self.context.checkpoint_every = 0.0

    def fresh(self, name: str = "trial") -> Bench:
        self.keys.drawn = 0
        store = Store(self.context.store.root.with_name(name))
        return replace(self, context=replace(self.context, store=store))

    def run(self) -> Finished:
        return run_cell(self.job, self.how, self.context)

    def stopped(self, name: str, when: str, count: int, owner: Any = Run, **more: Any) -> None:
        with pytest.raises(KeyboardInterrupt), stop(owner, name, when, count, **more):
            self.run()

    @property
    def folder(self) -> Path:
        return self.context.store.root / "work" / self.job.cell.id / self.how.digest

    @property
    def attempts(self) -> list[Any]:
        return self.context.store.attempts(self.job.cell.id)

    def releases(self) -> int:
        ledger = self.folder / "ledger.jsonl"
        return len(read(ledger)) if ledger.is_file() else 0


@pytest.fixture
def bench(how: Fingerprint, context: Context, keys: Keys) -> Callable[[Job], Bench]:
    return lambda job: Bench(job, how, context, keys)


def all_in_one(bench: Bench) -> None:
    """Stopped at every step in turn, once before and once after its line is on disk."""
    reference = contents(bench.fresh("whole").run())
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
    assert contents(trial.run()) == reference
    assert not trial.attempts and not trial.folder.exists()
    assert trial.keys.drawn == (trial.job.cell.noise_mode == "secret")


@pytest.mark.parametrize("noise", ["replayable", "secret"])
@pytest.mark.parametrize("method", [Decays, Averages], ids=lambda m: m.__name__)
def test_a_run_stopped_at_every_step_ends_with_the_same_bits(
    method: type[Method], noise: str, job_with: JobWith, bench: Any
) -> None:
    all_in_one(bench(job_with(method(), noise=f'"{noise}"')))


@pytest.mark.parametrize("method", ["dp_bow", "dp_linear_probe", "dp_lora"])
def test_a_shipped_method_stopped_at_two_steps_ends_with_the_same_bits(
    method: str, jobs_of: JobsOf, bench: Any
) -> None:
    jobs = jobs_of(method, noise='"secret"')
    trial = bench(next(j for j in jobs if j.cell.method == method))
    reference = contents(trial.fresh("whole").run())
    trial = trial.fresh()
    trial.stopped("_release", "after", 2)
    trial.stopped("_release", "before", 3)
    trial.context.cache = FeatureCache(None)  # as a process of its own
    assert contents(trial.run()) == reference
    assert trial.keys.drawn == 1 and not trial.attempts


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["replayable", "secret"])
@pytest.mark.parametrize("method", ["dp_bow", "dp_linear_probe", "dp_lora"])
def test_a_shipped_method_stopped_at_every_step_ends_with_the_same_bits(
    method: str, noise: str, jobs_of: JobsOf, bench: Any
) -> None:
    jobs = jobs_of(method, noise=f'"{noise}"')
    all_in_one(bench(next(j for j in jobs if j.cell.method == method)))


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.sampled_from(MADE_UP),
    st.sampled_from(["replayable", "secret"]),
    st.lists(
        st.tuples(
            st.sampled_from(["before", "after"]), st.integers(1, STEPS), st.sampled_from([0.0, 1e9])
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_runs_stopped_at_drawn_steps_end_with_the_same_bits_or_under_a_new_key(
    job_with: JobWith, bench: Any, method: Any, noise: str, stops: list[tuple[str, int, float]]
) -> None:
    """With checkpoints after each step or none: a run without one begins anew."""
    trial = bench(job_with(method(), noise=f'"{noise}"'))
    trial.context.store = Store(trial.context.store.root.parent / str(bench_number()))
    trial.keys.drawn = 0
    for when, count, every in stops:
        trial.context.checkpoint_every = every
        try:
            with stop(Run, "_release", when, count):
                trial.run()
        except KeyboardInterrupt:
            pass
    found = contents(trial.run())
    key = trial.keys.drawn
    assert len(trial.attempts) + 1 >= key
    reference = trial.fresh(f"whole{bench_number()}")
    reference.keys.drawn = max(key - 1, 0)
    assert contents(reference.run()) == found


_NUMBERS = iter(range(10**6))


def bench_number() -> int:
    return next(_NUMBERS)


# Stopped elsewhere.

ELSEWHERE = {
    "as a checkpoint is written": ("radpriv.benchmark.privacy.checkpoint", "atomic_write", 3),
    "as the first candidates are scored": ("radpriv.benchmark.runner", "_logits", 2),
    "as the model is saved": ("radpriv.benchmark.fitted", "write_spec", 1),
    "as the record is written": ("radpriv.benchmark.runner", "write_json", 1),
    "as the provenance is written": ("radpriv.benchmark.runner", "write_json", 2),
}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("place", ELSEWHERE)
def test_a_run_stopped_outside_its_steps_goes_on_too(
    place: str, when: str, job_with: JobWith, bench: Any
) -> None:
    import importlib

    module, name, count = ELSEWHERE[place]
    trial = bench(job_with(Decays(), noise='"secret"'))
    reference = contents(trial.fresh("whole").run())
    trial = trial.fresh()
    trial.stopped(name, when, count, owner=importlib.import_module(module))
    assert contents(trial.run()) == reference
    assert trial.keys.drawn == 1 and not trial.attempts


def test_a_run_that_died_as_its_checkpoints_were_removed_begins_anew(
    job_with: JobWith, bench: Any
) -> None:
    """With one loop's checkpoint gone it would restart from step 0, and a restart takes a key."""
    for unlinked in (1, 2, 3):
        trial = bench(job_with(TwoLoops(), noise='"secret"')).fresh(f"died{unlinked}")
        trial.stopped("discard", "before", 1, owner=Checkpoints)
        left = sorted((trial.folder / "private").glob("checkpoint*"), key=lambda p: p.suffix)
        assert [p.suffix for p in left] == [".json", ".pt", ".pt"]
        for path in left[:unlinked]:
            path.unlink()
        assert trial.run().record["status"] == "done"
        assert trial.keys.drawn == 2 and [a.releases for a in trial.attempts] == [5]


def test_a_checkpoint_folder_without_a_checkpoint_is_no_run_that_goes_on(
    job_with: JobWith, bench: Any
) -> None:
    trial = bench(job_with(Decays(), noise='"secret"')).fresh()
    trial.stopped("_release", "after", 2)
    (trial.folder / "private" / "checkpoint-0.pt").unlink()
    trial.run()
    assert trial.keys.drawn == 2 and [a.releases for a in trial.attempts] == [2]


# What a stopped run left must be what it was.


def change_line(number: int, **values: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        lines = (folder / "ledger.jsonl").read_text().splitlines()
        lines[number] = json.dumps({**json.loads(lines[number]), **values}, sort_keys=True)
        (folder / "ledger.jsonl").write_text("\n".join(lines) + "\n")

    return change


def add_line(folder: Path) -> None:
    lines = (folder / "ledger.jsonl").read_text().splitlines()
    more = json.dumps({**json.loads(lines[-1]), "step": 99}, sort_keys=True)
    (folder / "ledger.jsonl").write_text("\n".join([*lines, more]) + "\n")


def drop_line(folder: Path) -> None:
    lines = (folder / "ledger.jsonl").read_text().splitlines()
    (folder / "ledger.jsonl").write_text("\n".join(lines[1:]) + "\n")


def damage_ledger(folder: Path) -> None:
    text = (folder / "ledger.jsonl").read_text()
    (folder / "ledger.jsonl").write_text("\0" + text[1:])


def turn_bit(folder: Path) -> None:
    path = folder / "private" / "checkpoint-0.pt"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut_checkpoint(folder: Path) -> None:
    path = folder / "private" / "checkpoint-0.pt"
    path.write_bytes(path.read_bytes()[:-100])


def lose_key(folder: Path) -> None:
    (folder / "private" / "run_key").unlink()


CHANGES: dict[str, Callable[[Path], None]] = {
    "a hash": change_line(3, sha256="00" * 32),
    "a noise multiplier": change_line(3, noise_multiplier=1.0),
    "a sensitivity": change_line(3, sensitivity=2.0),
    "a rate": change_line(3, rate=0.25),
    "a line that the run does not make": add_line,
    "a line of a step before the checkpoint gone": drop_line,
    "a ledger of no sense": damage_ledger,
    "a bit of the checkpoint": turn_bit,
    "the end of the checkpoint": cut_checkpoint,
    "the key": lose_key,
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_run_that_does_not_find_what_it_left_begins_anew_under_a_new_key(
    what: str, job_with: JobWith, bench: Any
) -> None:
    trial = bench(job_with(Decays(), noise='"secret"')).fresh()
    with checkpoint_only_after(2):
        trial.stopped("_release", "after", 4)
    CHANGES[what](trial.folder)
    lines = (trial.folder / "ledger.jsonl").read_bytes()
    found = trial.run()
    assert found.record["status"] == "done" and trial.keys.drawn == 2
    (attempt,) = trial.attempts
    assert {p.name for p in attempt.folder.rglob("*")} == {"ledger.jsonl", "reason.json"}
    assert (attempt.folder / "ledger.jsonl").read_bytes() == lines
    hashes = {r.sha256 for r in read(found.folder / "ledger.jsonl")}
    assert len(hashes) == STEPS and not [h for h in hashes if h.encode() in lines]


@pytest.mark.parametrize("noise", ["replayable", "secret"])
def test_a_method_that_forgets_its_schedule_begins_anew_and_releases_no_second_value(
    noise: str, job_with: JobWith, bench: Any
) -> None:
    trial = bench(job_with(Forgets(), noise=f'"{noise}"')).fresh()
    with checkpoint_only_after(2):
        trial.stopped("_release", "after", STEPS)
    before = read(trial.folder / "ledger.jsonl")
    found = trial.run()
    (attempt,) = trial.attempts
    assert "step 4: release 'gradient' is not what it was" in attempt.sentence
    assert read(attempt.folder / "ledger.jsonl") == before and attempt.releases == STEPS
    again = read(found.folder / "ledger.jsonl")
    if noise == "secret":
        assert trial.keys.drawn == 2 and not {r.sha256 for r in before} & {r.sha256 for r in again}
    else:
        assert again == before


def test_without_the_ledgers_check_two_values_would_share_a_draw(
    job_with: JobWith, bench: Any, monkeypatch: pytest.MonkeyPatch
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
    for check, most in ((Ledger.append, 1), (unchecked, 2)):
        values.clear()
        trial = bench(job_with(Forgets())).fresh(check.__name__)
        with checkpoint_only_after(2):
            trial.stopped("_release", "after", STEPS)
        monkeypatch.setattr(Ledger, "append", check)
        trial.run()
        assert max(map(len, values.values())) == most and len(values) == STEPS


def test_half_a_ledger_line_is_cut_and_the_run_goes_on(job_with: JobWith, bench: Any) -> None:
    trial = bench(job_with(Decays(), noise='"secret"'))
    reference = contents(trial.fresh("whole").run())
    trial = trial.fresh()
    trial.stopped("_release", "after", 3)
    path = trial.folder / "ledger.jsonl"
    path.write_bytes(path.read_bytes() + path.read_bytes()[:40])
    assert contents(trial.run()) == reference and not trial.attempts


@pytest.mark.parametrize("part", ["threads", "device", "micro_batches"])
def test_a_checkpoint_under_other_conditions_is_not_used(
    part: str, job_with: JobWith, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = bench(job_with(Decays(), noise='"secret"')).fresh()
    trial.stopped("_release", "after", 3)
    now = runner.conditions(trial.context.device)
    monkeypatch.setattr(runner, "conditions", lambda device: {**now, part: "another"})
    trial.run()
    assert trial.keys.drawn == 2
    assert [(a.reason, a.releases) for a in trial.attempts] == [("killed", 3)]


def test_threads_count_among_the_conditions() -> None:
    """Sums in another order have other last bits."""
    found = []

    def ask(count: int) -> None:
        torch.set_num_threads(count)
        found.append(runner.conditions(torch.device("cpu"))["threads"])

    for count in (1, 2):  # the setting is that of the thread that asks
        thread = threading.Thread(target=ask, args=(count,))
        thread.start()
        thread.join()
    assert found == [1, 2]


def test_changed_code_has_a_folder_of_its_own(job_with: JobWith, bench: Any) -> None:
    trial = bench(job_with(Decays(), noise='"secret"')).fresh()
    trial.stopped("_release", "after", 3)
    other = replace(trial, how=replace(trial.how, python="another"))
    assert other.run().record["status"] == "done" and trial.keys.drawn == 2
    assert trial.folder.is_dir() and trial.run().record["status"] == "done"
    assert trial.keys.drawn == 2 and not trial.attempts


def test_a_run_that_is_never_cached_keeps_no_checkpoint_and_begins_anew(
    job_with: JobWith, bench: Any
) -> None:
    trial = bench(job_with(Decays(), noise='"secret"')).fresh()
    trial.how = replace(trial.how, why_not_cached="imports by name", nonce="1")
    written: list[str] = []
    real = Checkpoints.keep

    def watched(self: Checkpoints, *args: Any) -> None:
        real(self, *args)
        written.extend(p.name for p in (trial.folder / "private").glob("checkpoint*"))

    Checkpoints.keep = watched  # type: ignore[method-assign]
    try:
        trial.stopped("_release", "after", 3)
        assert not trial.folder.exists() and trial.attempts[0].reason == "interrupted"
        trial.run()
    finally:
        Checkpoints.keep = real  # type: ignore[method-assign]
    assert trial.keys.drawn == 2 and not written


# What goes on, and what does not.


def test_a_full_disk_leaves_a_run_that_goes_on(job_with: JobWith, bench: Any) -> None:
    trial = bench(job_with(Decays(), noise='"secret"'))
    reference = contents(trial.fresh("whole").run())
    trial = trial.fresh()
    full = OSError(errno.ENOSPC, "No space left on device")
    for owner, name in ((Run, "_release"), (runner, "write_parquet")):
        with pytest.raises(StoreError, match="space"), stop(owner, name, "before", 3, full):
            trial.run()
        assert trial.folder.is_dir()
    assert contents(trial.run()) == reference and trial.keys.drawn == 1 and not trial.attempts


def test_a_method_that_failed_does_not_go_on(job_with: JobWith, bench: Any) -> None:
    trial = bench(job_with(Decays(), noise='"secret"')).fresh()
    with pytest.raises(ValueError), stop(Run, "_release", "after", 3, ValueError("its own")):
        trial.run()
    assert not trial.folder.exists()
    assert [(a.reason, a.releases) for a in trial.attempts] == [("failed", 3)]
    trial.run()
    assert trial.keys.drawn == 2


@pytest.mark.parametrize("step", ["before the first file goes", "as the files go"])
def test_a_failure_that_was_cut_short_does_not_go_on(
    step: str, job_with: JobWith, bench: Any
) -> None:
    """Killed as its attempt was put away: no checkpoint may be found by the next worker."""
    trial = bench(job_with(Decays(), noise='"secret"')).fresh()
    name, when = ("_keep", "before") if step.startswith("before") else ("_remove", "before")
    with stop(Run, "_release", "after", 3, ValueError("its own")):
        trial.stopped(name, when, 1, owner=work)
    assert trial.folder.is_dir() and list(trial.folder.rglob("checkpoint-0.pt"))
    trial.run()
    assert trial.keys.drawn == 2 and [a.releases for a in trial.attempts] == [3]


def test_the_record_of_a_run_that_went_on_commits_to_the_key_it_began_with(
    job_with: JobWith, bench: Any
) -> None:
    import hashlib

    trial = bench(job_with(Decays(), noise='"secret"')).fresh()
    trial.stopped("_release", "after", 3)
    found = trial.run()
    key = (found.folder / "private" / "run_key").read_bytes()
    assert key == b"\x01" * 32
    assert found.record["noise_key_commitment"] == hashlib.sha256(key).hexdigest()
