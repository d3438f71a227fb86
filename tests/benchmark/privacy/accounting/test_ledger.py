"""The ledger: written before the value leaves, merged per step, read by a whitelist."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from radpriv.benchmark.privacy.accounting.calibration import certify
from radpriv.benchmark.privacy.accounting.ledger import Group, Ledger, Release, groups, mend, read
from radpriv.errors import PrivacyError, StoreError


def release(step: int, sigma: float = 1.0, rate: float = 0.02, name: str = "g") -> Release:
    return Release(step, name, 1.0, sigma, rate, "00")


def test_equal_steps_are_a_group_and_releases_of_a_step_merge() -> None:
    """Equal steps are one group, and releases of a step are merged."""
    made = [release(t) for t in range(5)] + [release(4, name="h")]
    assert groups(made) == (Group(0.02, 1 / math.sqrt(2), 1), Group(0.02, 1.0, 4))


def test_two_releases_on_one_sample_cost_more_than_two_steps() -> None:
    """q = 0.02, sigma = 1, delta = 1e-5: 1.48 merged, 0.52 if booked as two events."""
    merged = certify(groups([release(0), release(0, name="h")]), 1e-5)
    booked = certify(groups([release(0), release(1)]), 1e-5)
    assert merged == pytest.approx(1.48, abs=0.01)
    assert booked == pytest.approx(0.52, abs=0.01)


def test_absurd_noise_is_merged_without_overflow() -> None:
    (merged,) = groups([release(0, 1e-200), release(0, 1e-200, name="h")])
    assert merged.noise_multiplier == pytest.approx(1e-200 / math.sqrt(2))
    (merged,) = groups([release(0, 1e300), release(0, 1.0, name="h")])
    assert merged.noise_multiplier == 1.0


def test_a_step_that_states_two_rates_is_refused() -> None:
    with pytest.raises(PrivacyError, match="two rates"):
        groups([release(0), release(0, rate=0.1, name="h")])


def test_a_release_without_noise_makes_epsilon_infinite() -> None:
    assert math.isinf(certify(groups([release(0), release(0, sigma=0.0, name="h")]), 1e-5))


def test_what_is_appended_is_read_back(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    for t in range(3):
        ledger.append(release(t))
        assert len((tmp_path / "ledger.jsonl").read_text().splitlines()) == t + 1
    assert read(tmp_path / "ledger.jsonl") == ledger.releases


GOOD = asdict(release(0))


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        json.dumps({**GOOD, "class": "dp_accounting.dp_event.NoOpDpEvent"}),
        json.dumps({k: v for k, v in GOOD.items() if k != "rate"}),
        json.dumps({**GOOD, "rate": 1.5}),
        json.dumps({**GOOD, "rate": "0.1"}),
        json.dumps({**GOOD, "noise_multiplier": -1}),
        json.dumps({**GOOD, "noise_multiplier": 1e999}),
        json.dumps({**GOOD, "sensitivity": 0}),
        json.dumps({**GOOD, "noise_multiplier": 10**400}),
        json.dumps({**GOOD, "rate": -(10**400)}),
        json.dumps({**GOOD, "rate": math.nan}),
        "[" * 100_000,
        json.dumps({**GOOD, "step": 1.5}),
        json.dumps({**GOOD, "step": True}),
        json.dumps({**GOOD, "step": -1}),
        json.dumps({**GOOD, "name": 3}),
        json.dumps({**GOOD, "sha256": None}),
        json.dumps(sorted(GOOD)),
    ],
)
def test_a_line_that_is_no_release_is_refused_by_number(tmp_path: Path, line: str) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_text(json.dumps(GOOD) + "\n" + line + "\n")
    with pytest.raises(PrivacyError, match="line 2"):
        read(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sensitivity", True),
        ("sensitivity", math.inf),
        ("sensitivity", math.nan),
        ("noise_multiplier", True),
        ("noise_multiplier", "1"),
        ("noise_multiplier", math.inf),
        ("rate", True),
        ("rate", 1.5),
    ],
)
def test_a_release_whose_numbers_make_no_sense_is_refused(field: str, value: Any) -> None:
    numbers = {"sensitivity": 1.0, "noise_multiplier": 1.0, "rate": 0.5, field: value}
    with pytest.raises(PrivacyError, match="ledger: "):
        Release(step=0, name="gradient", sha256="", **numbers)


def test_half_a_line_that_cannot_be_cut_off_is_one_line_of_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_text('{"step": 0')

    def fails(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "truncate", fails)
    with pytest.raises(StoreError, match=r"ledger\.jsonl.*Read-only file system"):
        mend(path)


def test_a_field_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    line = json.dumps(asdict(Release(0, "gradient", 1.0, 1.0, 0.1, "")))
    path.write_text(line.replace('"noise_multiplier": 1.0', '"noise_multiplier": 1.0, ' * 2, 1))
    with pytest.raises(PrivacyError, match="line 1"):
        read(path)
    twice = line.replace('"noise_multiplier": 1.0', '"noise_multiplier": 1, "noise_multiplier": 50')
    path.write_text(line + "\n" + twice + "\n")
    with pytest.raises(
        PrivacyError, match=r"line 2: not JSON \(the key 'noise_multiplier' stands twice\)"
    ):
        read(path)


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    made = Release(0, "a\u2028b", 1.0, 1.0, 0.1, "")
    path.write_text(json.dumps(asdict(made), ensure_ascii=False) + "\n", encoding="utf-8")
    assert read(path) == [made]


def test_an_empty_ledger_has_no_release(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_text("")
    assert read(path) == []
