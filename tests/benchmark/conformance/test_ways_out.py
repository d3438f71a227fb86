"""Ways out that no release shows: late steps, what is printed, and the end of the process."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from radpriv.benchmark.conformance import check_method
from radpriv.benchmark.conformance.captured_output import captured_output
from radpriv.benchmark.conformance.verdict import Verdict
from radpriv.benchmark.methods.method import Method
from radpriv.benchmark.plugin_guard import staying
from radpriv.errors import kind_and_place

Verdicts = Callable[..., dict[str, Verdict]]
Of = Callable[..., Method]


class LateBias:
    """Behaves until step 8, then adds the label rates of a batch to its bias."""

    def before(self, model: Any, step: Any) -> None:
        if step.index == 8:
            with torch.no_grad():
                model.head.bias += torch.nan_to_num(step.records.labels).mean(0)


class LatePrint:
    def before(self, model: Any, step: Any) -> None:
        if step.index == 8:
            print("records in this step:", step.records.size)


class LateEnd:
    def over(self, model: Any, step: Any) -> bool:
        if step.index == 8 and step.records.size % 2:
            os._exit(0)
        return False


@pytest.mark.parametrize(
    ("flaw", "words"),
    [
        (LateBias, "head.safetensors differs"),
        (LatePrint, "what it prints differs"),
        (LateEnd, "SystemExit at test_ways_out.py:"),
    ],
)
def test_a_flaw_of_late_steps_is_found_at_whole_length_alone(
    flaw: type, words: str, sound: Of, verdicts: Verdicts
) -> None:
    method = sound(flaw)
    found = verdicts(method, whole=replace(method, **{"steps": 12}))
    assert [c for c, v in found.items() if not v.passed] == ["at whole length"], found
    assert words in found["at whole length"].detail


def test_a_sound_method_is_sound_at_whole_length(sound: Of, verdicts: Verdicts) -> None:
    found = verdicts(sound(), whole=replace(sound(), **{"steps": 12}))
    assert all(v.passed for v in found.values()), found
    assert found["at whole length"].detail.startswith("12 steps on 4 neighbours")


class Plateau:
    """Ends when the loss of a batch has not fallen for two steps; guards itself against few."""

    def over(self, model: Any, step: Any) -> bool:
        if step.records.size < 3:
            return False
        with torch.no_grad():
            loss = float(model.losses(step.records).mean())
        self.history = [] if step.index == 0 else self.history
        self.history.append(loss)
        return len(self.history) > 8 and min(self.history[-2:]) > 0.7


def test_decision_over_many_records_is_found_where_all_change(
    sound: Of, verdicts: Verdicts
) -> None:
    """A decision over many records is found where all of them change."""
    method = sound(Plateau)
    found = verdicts(method, whole=replace(method, **{"steps": 30}))
    assert found["nothing else"].passed and found["sensitivity"].passed, found
    assert "releases fewer" in found["at whole length"].detail, found
    assert "every" in found["at whole length"].detail


def test_a_method_of_few_steps_is_replayed_once(sound: Of, verdicts: Verdicts) -> None:
    assert "at whole length" not in verdicts(sound(), whole=sound())


def test_a_method_of_too_many_steps_is_cut_and_says_so(
    sound: Of, verdicts: Verdicts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_method, "LONGEST", 9)
    found = verdicts(sound(), whole=replace(sound(), **{"steps": 12}))
    assert found["at whole length"].passed
    assert found["at whole length"].detail.startswith("9 of 12 steps")


class Prints:
    def before(self, model: Any, step: Any) -> None:
        print("labels:", step.records.labels.nansum().item(), file=sys.stderr)


class PrintsPublic:
    def before(self, model: Any, step: Any) -> None:
        print("step", step.index)


class PrintsTime:
    def before(self, model: Any, step: Any) -> None:
        print(time.perf_counter_ns())


def test_labels_that_are_printed_are_found(
    sound: Of, verdicts: Verdicts, capfd: pytest.CaptureFixture[str]
) -> None:
    told = verdicts(sound(Prints), last="nothing else")["nothing else"]
    assert not told.passed and told.detail.startswith("what it prints differs (")
    assert capfd.readouterr() == ("", "")
    assert verdicts(sound(PrintsPublic), last="nothing else")["nothing else"].passed


class Logs:
    def before(self, model: Any, step: Any) -> None:
        logging.getLogger("mine").warning("%d records", step.records.size)


def test_what_is_logged_is_heard_like_print(
    sound: Of, verdicts: Verdicts, capfd: pytest.CaptureFixture[str]
) -> None:
    early = logging.StreamHandler()  # keeps the stream that it finds now, as libraries' do
    logging.getLogger().addHandler(early)
    try:
        found = verdicts(sound(Logs), last="nothing else")["nothing else"]
        assert logging.getLogger().handlers.count(early) == 1
    finally:
        logging.getLogger().removeHandler(early)
    assert not found.passed and "what it prints differs" in found.detail
    assert "records" not in capfd.readouterr().err


def test_a_clock_that_is_printed_is_no_leak_and_is_told(sound: Of, verdicts: Verdicts) -> None:
    told = verdicts(sound(PrintsTime), last="nothing else")["nothing else"]
    assert told.passed and "not compared: what it prints" in told.detail


def test_a_process_that_would_end_is_told(sound: Of, verdicts: Verdicts) -> None:
    class Ends:
        def count(self, train: Any) -> int:
            os._exit(0)

    found = verdicts(sound(Ends))
    assert list(found) == ["runs"] and not found["runs"].passed
    assert found["runs"].detail.startswith("SystemExit at test_ways_out.py:")


def test_place_is_the_plugins_whatever_its_function_is_called() -> None:
    """A place is the plug-in's own, whatever its function is called."""

    def _ends() -> None:
        raise ValueError("a word of a report")

    def leaves() -> None:
        with staying():
            os._exit(1)

    for last in (_ends, leaves):
        with pytest.raises((ValueError, SystemExit)) as told:
            last()
        line = last.__code__.co_firstlineno + (1 if last is _ends else 2)
        assert kind_and_place(told.value).endswith(f" at test_ways_out.py:{line}")


def test_only_the_thread_inside_the_block_stays() -> None:
    real = os._exit
    with staying(), staying():
        with pytest.raises(SystemExit) as ended:
            os._exit(3)
        assert ended.value.code == 3
    assert os._exit is real
    with staying():
        child = os.fork()
        if child == 0:
            os._exit(7)  # a process of its own ends as it likes
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_other_threads_write_as_before(capsys: pytest.CaptureFixture[str]) -> None:
    with captured_output() as printed:
        print("mine")
        other = threading.Thread(target=lambda: print("theirs"))
        other.start()
        other.join()
    assert printed() == "mine\n" and capsys.readouterr().out == "theirs\n"
