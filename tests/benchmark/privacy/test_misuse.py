"""Mistakes that would make a certificate a lie, each of them stopped by the shape of the waist."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from radpriv.baselines.solvers.linear import LinearModel
from radpriv.benchmark.encoders.features import FeatureCache, evaluate
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.privacy import run as run_module
from radpriv.benchmark.privacy.bounded import ClippedSum
from radpriv.benchmark.privacy.clipping import clipped_sum
from radpriv.benchmark.privacy.records import PrivateRecords
from radpriv.benchmark.privacy.release import apply
from radpriv.errors import CellFailed, PrivacyError

WORDS = HashedWords(32, 1, True)


def start(model: nn.Module | None = None) -> tuple[Any, torch.optim.Optimizer]:
    model = (LinearModel(32, 3, 1.0) if model is None else model).train()
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def steps(make_run: Any, train: PrivateRecords, state: Any, count: int = 3) -> Any:
    return make_run().poisson(train.map("words", WORDS), 0.9, count, state=state)


def test_a_step_that_releases_nothing_ends_the_run(make_run: Any, train: PrivateRecords) -> None:
    """The ordinary training loop, which learns from every record and books none."""
    model, optimizer = start()
    with pytest.raises(PrivacyError, match="released nothing"):
        for step in steps(make_run, train, (model, optimizer)):
            model.losses(step.records).mean().backward()
            optimizer.step()


def test_leaving_before_a_release_is_remembered(make_run: Any, train: PrivateRecords) -> None:
    run = make_run()
    for _ in run.poisson(train.map("words", WORDS), 0.9, 3, state=start()):
        break
    assert run.silent


def test_a_later_release_does_not_make_good_for_a_silent_step(
    make_run: Any, train: PrivateRecords
) -> None:
    run, records = make_run(), train.map("words", WORDS)
    for _ in run.poisson(records, 0.9, 3, state=start()):
        break
    model, optimizer = start()
    with pytest.raises(PrivacyError, match="released nothing"):
        for step in run.poisson(records, 0.9, 1, state=(model, optimizer)):
            total = clipped_sum(model, step.records, 1.0)
            apply(model, optimizer, step.gaussian("gradient", total, 2.0) / step.expected_batch)
    assert run.silent and len(run.releases) == 1


def test_what_the_waist_has_drawn_cannot_be_changed(make_run: Any, train: PrivateRecords) -> None:
    run = make_run()
    step = run._sample(train.map("words", WORDS), 0.5)
    with pytest.raises(FrozenInstanceError):
        step.rate = 1e-4
    for owner, name, value in (
        (run, "budget", None),
        (run, "device", None),
        (run, "silent", False),
        (train, "left_waist", False),
    ):
        with pytest.raises(AttributeError):
            setattr(owner, name, value)


def test_records_and_sums_of_an_ended_step_are_useless(
    make_run: Any, train: PrivateRecords
) -> None:
    model, optimizer = start()
    kept: list[Any] = []
    for step in steps(make_run, train, (model, optimizer)):
        if kept:
            with pytest.raises(PrivacyError, match="step that has ended"):
                clipped_sum(model, kept[0], 1.0)
            with pytest.raises(PrivacyError, match="not what clipped_sum or bounded_sum made"):
                step.gaussian("old", kept[1], 2.0)
        total = clipped_sum(model, step.records, 1.0)
        kept = [step.records, total]
        apply(model, optimizer, step.gaussian("gradient", total, 2.0) / step.expected_batch)


@pytest.mark.parametrize("how", ["own", "scaled", "in place"])
def test_a_sum_of_ones_own_is_not_released(make_run: Any, train: PrivateRecords, how: str) -> None:
    model, optimizer = start()
    with pytest.raises(PrivacyError, match="not what clipped_sum or bounded_sum made"):
        for step in steps(make_run, train, (model, optimizer)):
            total = clipped_sum(model, step.records, 1.0)
            if how == "in place":
                total.tensors["head.weight"].mul_(1000.0)
            elif how == "scaled":
                total = ClippedSum({n: 1000 * t for n, t in total.tensors.items()}, 1.0)
            else:
                total = ClippedSum({"head.weight": torch.ones(3, 32).double()}, 1.0)
            step.gaussian("gradient", total, 2.0)


class Mixed(LinearModel):
    """One loss per record, but each depends on the batch."""

    def losses(self, records: Any) -> Tensor:
        x, _ = records.inputs()
        z = self.head(x.float())
        return (z - z.mean(0)).square().mean(1) + z.mean(1)


class Remembers(LinearModel):
    """A running mean of what it has seen."""

    def __init__(self) -> None:
        super().__init__(32, 3, 1.0)
        self.register_buffer("mean", torch.zeros(32))

    def losses(self, records: Any) -> Tensor:
        x, _ = records.inputs()
        self.mean += x.float().sum(0)
        return super().losses(records)


def test_losses_that_mix_records_are_found_on_public_sentences(
    make_run: Any, train: PrivateRecords
) -> None:
    with pytest.raises(CellFailed, match="depends on the others in its batch"):
        next(iter(steps(make_run, train, start(Mixed(32, 3, 1.0)))))


def test_a_buffer_that_learns_is_found(make_run: Any, train: PrivateRecords) -> None:
    model, optimizer = start(Remembers())
    with pytest.raises(CellFailed, match="buffer or frozen tensor mean"):
        for step in steps(make_run, train, (model, optimizer)):
            total = clipped_sum(model, step.records, 1.0)
            apply(model, optimizer, step.gaussian("g", total, 2.0) / step.expected_batch)


class Vocabulary:
    """Numbers words in the order in which it meets them: a private vocabulary."""

    key, ragged = "", False

    def __init__(self) -> None:
        self.words: dict[str, int] = {}

    def __call__(self, text: str) -> Any:
        for word in text.split():
            self.words.setdefault(word, len(self.words))
        return np.array([self.words[text.split()[-1]], len(self.words)], np.float32)


def test_a_function_that_remembers_records_is_refused(train: PrivateRecords) -> None:
    with pytest.raises(PrivacyError, match="a function of one text alone"):
        train.map("words", Vocabulary())


def test_a_function_may_answer_with_no_number(train: PrivateRecords) -> None:
    class NoNumber:
        key, ragged = "", False

        def __call__(self, text: str) -> Any:
            return np.array([np.nan, len(text)], np.float32)

    assert train.map("none", NoNumber()).name == "none"


def test_a_function_is_given_one_text_whatever_it_offers() -> None:
    class Each:
        key, ragged = "", False

        def each(self, texts: Any) -> Any:
            raise AssertionError("all texts at once")

        def __call__(self, text: str) -> Any:
            return np.array([len(text)], np.float32)

    assert len(evaluate(Each(), ["a", "bb"])) == 2


def test_two_functions_of_one_key_share_no_cache(tmp_path: Any) -> None:
    @dataclass(frozen=True)
    class One:
        key: str = "len"
        ragged: bool = False

        def __call__(self, text: str) -> Any:
            return np.array([1.0], np.float32)

    @dataclass(frozen=True)
    class Two(One):
        def __call__(self, text: str) -> Any:
            return np.array([2.0], np.float32)

    for function, value in ((One(), 1.0), (Two(), 2.0)):
        assert FeatureCache(tmp_path).map(function, ["a"])[0] == value


class WithConstant(LinearModel):
    """A constant of one row goes through the trained layer beside the records."""

    def losses(self, records: Any) -> torch.Tensor:
        x, _ = records.inputs()
        weight = torch.ones(len(x))
        weight[-1] = -1000.0
        here, there = self.head(x.float()), self.head(torch.ones(1, x.shape[1]))
        return 0.01 * weight * (here.tanh().sum(1) + there.tanh().sum(1))


def test_a_row_that_is_shared_by_the_records_is_refused(
    train: PrivateRecords, made_up: Any, records_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from radpriv.benchmark.privacy import clipping

    model = WithConstant(32, 3, 1.0).train()
    records = records_of(made_up, WORDS)
    with pytest.raises(PrivacyError, match="saw an input whose first axis is not the records"):
        clipped_sum(model, records, 0.01)
    # Without the check, Opacus books every record's share of that use to the first row.
    monkeypatch.setattr(clipping, "_check_rows", lambda model, size: None)
    whole = clipped_sum(model, records, 0.01).tensors
    less = clipped_sum(model, records.take(np.arange(records.size - 1)), 0.01).tensors
    moved = sum(float((whole[n] - less[n]).square().sum()) for n in whole) ** 0.5
    assert moved > 1.5 * 0.01


class HalfEval(torch.nn.Module):
    """Its trained layer is in eval mode, though the model is not."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = LinearModel(32, 3, 1.0)

    def losses(self, records: Any) -> torch.Tensor:
        return self.inner.losses(records)


def test_a_part_in_eval_mode_is_refused(made_up: Any, records_of: Any) -> None:
    model = HalfEval().train()
    model.inner.head.eval()
    with pytest.raises(PrivacyError, match=r"layer inner\.head is in eval\(\) mode"):
        clipped_sum(model, records_of(made_up, WORDS), 1.0)


def test_first_check_does_not_take_autocast_rounding_for_mixing(
    make_run: Any, lora_model: Any, train: PrivateRecords
) -> None:
    """The first check does not take the rounding of autocast for mixing."""
    model, frozen = lora_model
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    with torch.autocast("cpu", torch.bfloat16):
        for step in make_run().poisson(
            train.map("frozen", frozen), 0.5, 1, state=(model, optimizer)
        ):
            total = clipped_sum(model, step.records, 1.0)
            apply(model, optimizer, step.gaussian("g", total, 2.0) / step.expected_batch)


def test_a_sample_inside_a_step_is_refused(make_run: Any, train: PrivateRecords) -> None:
    """A run that was stopped in there could not go on."""
    run, (model, optimizer) = make_run(), start()
    records = train.map("words", WORDS)
    with pytest.raises(PrivacyError, match="step 0 is still open"):
        for _ in run.poisson(records, 0.9, 3, state=(model, optimizer)):
            with run.once(records):
                pass
    run = make_run()
    for _ in range(2):  # one after the other is no such thing
        with run.once(records) as query:
            query.gaussian("g", clipped_sum(model, query.records, 1.0), 2.0)


def test_undrawn_records_or_another_units_change_no_bound(
    make_run: Any, train: PrivateRecords
) -> None:
    """Records that were not drawn or belong to another unit change no bound."""
    run, (model, optimizer) = make_run(), start()
    for step in run.poisson(train.map("words", WORDS), 0.5, 1, state=(model, optimizer)):
        drawn = step.records
        others = np.setdiff1d(np.arange(len(train._universe)), drawn.slots)[: drawn.size]
        with pytest.raises(PrivacyError, match="not all drawn in this step"):
            clipped_sum(model, replace(drawn, slots=others), 1.0)
        twenty = drawn.take(np.zeros(20, np.int64))  # one record, said to be of twenty units
        total = clipped_sum(model, replace(twenty, units=np.arange(20)), 0.01)
        assert sum(float(t.square().sum()) for t in total.tensors.values()) ** 0.5 <= 0.01 * (
            1 + 1e-9
        )
        noised = step.gaussian("g", clipped_sum(model, drawn, 1.0), 2.0)
        apply(model, optimizer, noised / step.expected_batch)


def test_values_of_records_cannot_be_written(train: PrivateRecords) -> None:
    features = train.map("words", WORDS)._features
    with pytest.raises(ValueError, match="read-only"):
        features.values[0] = 7.0


def test_no_error_of_the_waist_counts_records(made_up: Any, records_of: Any) -> None:
    class Mean(LinearModel):
        def losses(self, records: Any) -> torch.Tensor:
            return super().losses(records)[1:]

    for model in (Mean(32, 3, 1.0), WithConstant(32, 3, 1.0)):
        with pytest.raises(PrivacyError) as caught:
            clipped_sum(model.train(), records_of(made_up, WORDS), 1.0)
        assert not any(c.isdigit() for c in str(caught.value))


@pytest.mark.parametrize("sigma", [math.inf, math.nan, -1.0])
def test_noise_that_is_no_number_is_refused_before_any_release(
    make_run: Any, train: PrivateRecords, sigma: float
) -> None:
    """Noise that is no number is refused before anything is released."""
    state = start()
    with pytest.raises(PrivacyError, match="give a finite number"):
        for step in steps(make_run, train, state):
            step.gaussian("gradient", clipped_sum(state[0], step.records, 1.0), sigma)


def test_tensors_are_seen_to_move_once(
    make_run: Any, train: PrivateRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later a tensor may well come back to where it began."""
    looked: list[Any] = []
    monkeypatch.setattr(run_module, "check_moved", lambda *given: looked.append(given))
    model, optimizer = start()
    for step in steps(make_run, train, (model, optimizer), count=3):
        total = clipped_sum(model, step.records, 1.0)
        apply(model, optimizer, step.gaussian("gradient", total, 2.0) / step.expected_batch)
    assert len(looked) == 1


def test_what_is_released_without_noise_has_no_epsilon(
    make_run: Any, train: PrivateRecords
) -> None:
    run = make_run(math.inf)
    assert run.certificate() == (0.0, 0.0)
    model, optimizer = start()
    for step in run.poisson(train.map("words", WORDS), 0.5, 1, state=(model, optimizer)):
        total = clipped_sum(model, step.records, 1.0)
        apply(model, optimizer, step.gaussian("gradient", total, 0.0) / step.expected_batch)
    assert run.certificate() == (math.inf, 0.0)


def test_a_tensor_whose_step_size_is_zero_need_not_move(
    make_run: Any, train: PrivateRecords
) -> None:
    model = LinearModel(32, 3, 1.0).train()
    still = [{"params": [model.head.bias], "lr": 0.0}, {"params": [model.head.weight]}]
    optimizer = torch.optim.SGD(still, lr=0.1)
    for step in steps(make_run, train, (model, optimizer), count=2):
        total = clipped_sum(model, step.records, 1.0)
        apply(model, optimizer, step.gaussian("gradient", total, 2.0) / step.expected_batch)
    assert not model.head.bias.any() and model.head.weight.any()
