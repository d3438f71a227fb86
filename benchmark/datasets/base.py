"""What a dataset is: rows of id, patient, split, text and labels, with a card and an identity.

A loader is a frozen dataclass whose fields are its options, so they are checked, have defaults and
are part of the identity:

    @datasets.register("openi")
    @dataclass(frozen=True)
    class OpenI(Loader):
        holdout: str = "test"
        def find(self, data): ...          # where the source lies, or a DataError that says how
        def identity(self, data): ...      # cheap: hashes of sources, no parsing
        def load(self, data): ...          # the rows
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, get_type_hints

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from radpriv.benchmark.datasets.texts import Texts
from radpriv.benchmark.registry import Registry, did_you_mean
from radpriv.benchmark.store.dataset_card import Card as Card
from radpriv.benchmark.user_input import checked, expected, is_checkable
from radpriv.errors import DataError, PrivacyError, SuiteError

if TYPE_CHECKING:
    from datasets import Dataset as Table

    from radpriv.benchmark.datasets.reference_figures import Published


Built = TypeVar("Built")
PLAIN = (bool, int, float, str)
"""Types that a message calls by their Python name."""


@dataclass(frozen=True)
class Dataset:
    """Rows in order of id. Texts are private data: they never reach the store, a log or an error.

    ids, patients, splits, texts: n entries; splits are "train" or "test" (a validation split,
    where a loader makes one, is private too and arrives as "validate").
    y: float32 (n, labels); 1 positive, 0 negative, NaN not observed.
    counts: public facts of loading, e.g. {"unlabelled": 95}.
    """

    name: str
    labels: tuple[str, ...]
    card: Card
    ids: tuple[str, ...]
    patients: tuple[str, ...]
    splits: tuple[str, ...]
    texts: tuple[str, ...] | Texts = field(repr=False)
    y: NDArray[np.float32] = field(repr=False)
    counts: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.ids)
        if not (len(self.patients) == len(self.splits) == len(self.texts) == len(self.y) == n):
            raise DataError(f"dataset {self.name}: its columns differ in length; a loader's fault")
        if self.y.shape != (n, len(self.labels)) or self.y.dtype != np.float32:
            raise DataError(f"dataset {self.name}: labels must be float32 (rows, labels)")
        if list(self.ids) != sorted(set(self.ids)):
            raise DataError(f"dataset {self.name}: ids must be unique and sorted")
        if np.isinf(self.y).any() or not np.isin(self.y[~np.isnan(self.y)], (0.0, 1.0)).all():
            raise DataError(f"dataset {self.name}: labels must be 0, 1 or NaN")

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, split: str) -> NDArray[np.int64]:
        """Row numbers of a split, in order of id."""
        return np.flatnonzero(np.asarray(self.splits) == split)

    def table(self) -> Table:
        """The rows as a table of the `datasets` library: id, patient, split, text, labels (L,).

        Memory-mapped where the loader streams (io/streamed.py). Private data.
        """
        from datasets import Dataset as Table

        if isinstance(self.texts, Texts) and self.texts.file is not None:
            return Table.from_file(str(self.texts.file)).select(self.texts.rows)
        names = ("id", "patient", "split", "text")
        columns = dict(zip(names, map(list, (self.ids, self.patients, self.splits, self.texts))))
        return Table.from_dict({**columns, "labels": list(self.y)})


@dataclass(frozen=True)
class Loader(abc.ABC):
    """Reads one dataset; fields are options. `data` is the folder of RADPRIV_DATA or --data."""

    name: ClassVar[str]
    card: ClassVar[Card]
    labels: ClassVar[tuple[str, ...]]

    @abc.abstractmethod
    def find(self, data: Path | None) -> Path | None:
        """Where the source lies; None for a generator.

        Raises:
            DataError: it is absent; the sentence says what to do.
        """

    @abc.abstractmethod
    def identity(self, data: Path | None) -> dict[str, JsonValue]:
        """Loader, options and source hashes or generator parameters: canonical-JSON-able.

        Cheap: nothing is parsed. Equal identities mean equal rows.
        """

    @abc.abstractmethod
    def load(self, data: Path | None) -> Dataset:
        """The rows, in order of id.

        Raises:
            DataError: a source is damaged; one line that names file and place, and quotes no text.
        """

    def __init_subclass__(cls, **given: Any) -> None:
        super().__init_subclass__(**given)
        if "load" in cls.__dict__:
            cls.load = _behind_the_door(cls.__dict__["load"])  # type: ignore[method-assign]

    def options(self) -> dict[str, JsonValue]:
        return asdict(self)

    def one_of(self, **known: Sequence[str]) -> None:
        """Check options that have a few values each: `self.one_of(text=TEXTS)`.

        Raises:
            SuiteError: the value of an option is none of those known.
        """
        for option, values in known.items():
            if (value := getattr(self, option)) not in values:
                raise SuiteError(
                    f"dataset '{self.name}': option '{option}' = {value!r}: one of "
                    f"{', '.join(values)}{did_you_mean(str(value), values)}"
                )

    def parts(self) -> tuple[Loader, ...]:
        """The loaders that the rows come from: more than this one where datasets are combined."""
        return (self,)

    def published(self) -> Sequence[Published]:
        """Figures that were published of this data, or that a twin was calibrated to."""
        return ()


_fits = 0
"""Blocks of `closed` that are open in this process."""


@contextmanager
def closed(shut: bool = True) -> Iterator[None]:
    """No loader loads inside the block, in which a method trains: its doors have what it may see.
    shut=False: inside of it, one that a door opens."""
    global _fits
    before, _fits = _fits, int(shut)
    try:
        yield
    finally:
        _fits = before


def _behind_the_door(load: Callable[..., Dataset]) -> Callable[..., Dataset]:
    @wraps(load)
    def guarded(self: Loader, *given: Any, **named: Any) -> Dataset:
        if _fits:
            raise PrivacyError(
                f"a method loads the dataset '{self.name}' itself, past its doors; name it in "
                "`public` and take run.public(name)"
            )
        return load(self, *given, **named)

    return guarded


datasets: Registry[type[Loader]] = Registry("dataset", "radpriv.datasets")


def make_loader(name: str, options: Mapping[str, object]) -> Loader:
    """The loader `name` with these options; an unknown option is an error that lists the known."""
    kind = datasets.get(name)
    return build(kind, options, f"dataset '{name}'", "option")


def build(kind: type[Built], values: Mapping[str, object], owner: str, word: str) -> Built:
    """`kind(**values)` with checked names and types of values: loaders, methods and attacks.

    1 becomes 1.0 where a float belongs, so that both spellings give one cell id.

    Raises:
        SuiteError: names owner, option and value, and what belongs there.
    """
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            listed = ", ".join(sorted(known)) or "none"
            raise SuiteError(f"{owner} has no {word} '{key}' (known: {listed})")
    types = _types(kind)
    given: dict[str, object] = {}
    for key, value in values.items():
        try:
            given[key] = checked(types[key], value)
        except ValueError:
            wanted = types[key].__name__ if types[key] in PLAIN else expected(types[key])
            raise SuiteError(f"{owner}: {word} '{key}' = {value!r}: expected {wanted}") from None
    for key, f in known.items():
        if f.default is MISSING and f.default_factory is MISSING and f.init and key not in values:
            raise SuiteError(f"{owner}: {word} '{key}' is missing; give {expected(types[key])}")
    return kind(**given)


def _types(kind: type[object]) -> dict[str, Any]:
    """The type of each field; where its annotation says nothing to us, that of its default."""
    try:
        said = get_type_hints(kind, include_extras=True)
    except NameError:  # a name that was imported for type checkers alone
        said = {}
    found = {}
    for f in fields(kind):  # type: ignore[arg-type]
        default = object if f.default in (MISSING, None) else type(f.default)
        found[f.name] = said[f.name] if is_checkable(said.get(f.name)) else default
    return found
