"""`train` and `run` name their doors where a method asks for another attribute."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

from radpriv.benchmark.privacy.doors import ELSEWHERE
from radpriv.benchmark.privacy.records import PrivateRecords
from radpriv.benchmark.privacy.run import Run
from radpriv.errors import DoorError, PrivacyError

MakeRun = Callable[..., Run]


def test_train_names_its_doors(train: PrivateRecords) -> None:
    """What is looked for is answered by where it lies; what was mistyped, by the nearest door."""
    with pytest.raises(DoorError, match=r"has no 'texts': train\.map.*voids the certificate") as e:
        train.texts  # type: ignore[attr-defined]  # noqa: B018
    assert "(it has labels, left_waist, map, n_public, raw)" in str(e.value)
    assert isinstance(e.value, PrivacyError) and isinstance(e.value, AttributeError)
    with pytest.raises(DoorError, match="did you mean 'labels'"):
        train.label  # type: ignore[attr-defined]  # noqa: B018


def test_run_names_its_doors(make_run: MakeRun) -> None:
    """The same for the other door, whose steps are what most look for."""
    run = make_run()
    with pytest.raises(DoorError, match=r"has no 'sample': take `for step in run\.poisson"):
        run.sample  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(DoorError, match=r"did you mean 'poisson'\?.*budget, calibrate, "):
        run.poison  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("name", ["zyzzyvaquux", "clear lungs", "z" * 2000])
def test_a_wrong_attribute_is_not_repeated(train: PrivateRecords, name: str) -> None:
    """A method may ask by a word of a report, and the sentence is printed and stored."""
    with pytest.raises(DoorError) as e:
        getattr(train, name)
    assert name not in str(e.value)


def test_lookups_by_python_itself_still_work(train: PrivateRecords, make_run: MakeRun) -> None:
    """hasattr, defaults, copies and pickles meet a plain AttributeError, also before __init__."""
    run = make_run()
    for door in (train, run):
        assert not hasattr(door, "texts") and getattr(door, "texts", 3) == 3
        assert hasattr(copy.copy(door), "_door")
        with pytest.raises(AttributeError) as e:
            door._nothing  # noqa: B018
        assert not isinstance(e.value, DoorError)
    assert pickle.loads(pickle.dumps(train)).labels == train.labels
    assert copy.deepcopy(train).n_public == train.n_public
    with pytest.raises(AttributeError):
        PrivateRecords.__new__(PrivateRecords)._diagnostics  # noqa: B018


def test_hints_lead_to_doors_that_exist(train: PrivateRecords, make_run: MakeRun) -> None:
    """No hint stands for a real attribute, and each names one that is there."""
    for name, door in (("train", train), ("run", make_run())):
        for asked, hint in ELSEWHERE[name].items():
            assert not hasattr(door, asked), asked
            named = [word.split("(")[0] for word in hint.split(f"{name}.")[1:]]
            doors = [word.split()[0].strip("`,;.") for word in named]
            assert all(hasattr(door, word) for word in doors), (asked, doors)
            assert doors or "step." in hint
