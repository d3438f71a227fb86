"""Where a dataset lies under the data folder: declared once, found and hashed by one class.

    SOURCES = Sources(
        "Open-i",
        places=("openi", "."),
        parts=(Part("reports", Form("NLMCXR_reports.tgz"), Form("ecgen-radiology", folder=xml)),),
        absent="{data} holds no NLMCXR_reports.tgz; {get}",
        get="get it from NLM, and put it under openi/ there",
    )
    SOURCES.find(data)["reports"]              # a path, or a DataError that says what to do
    SOURCES.find(data).sha256()                # {"reports": "…"}: by part, not by path

Messages are templates; besides {data}, {home} (its first place) and {get} they know what their
field's description names. No file is opened but to hash it, or to see that git left a pointer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from radpriv.benchmark.store import digests
from radpriv.errors import DataError

_POINTER = b"version https://git-lfs"


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Turns what the file system says into a DataError about `path`."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def file_sha256(path: Path) -> str:
    """`digests.file_sha256`, with a DataError for a file that cannot be read."""
    with reading(path):
        return digests.file_sha256(path)


class Form:
    """Names, in order, under which one form of a part may lie in a place.

    A name may be a path, or a pattern, of whose matches the last by name is the first (the newest
    version). folder: says of a folder whether it is that form; None: the form is a file.
    """

    def __init__(
        self,
        *names: str,
        folder: Callable[[Path], bool] | None = None,
        sha256: Callable[[Path], str] = file_sha256,
    ) -> None:
        self.names = names
        self.folder = folder
        self.sha256 = sha256

    def matches(self, place: Path) -> Iterator[Path]:
        for name in self.names:
            for path in _matches(place, name):
                if path.is_file() if self.folder is None else path.is_dir() and self.folder(path):
                    yield path


class Part:
    """A part in the first of its forms that is found. called: how a message names it."""

    def __init__(self, name: str, *forms: Form, called: str = "") -> None:
        self.name = name
        self.forms = forms
        self.called = called or forms[0].names[0]

    def matches(self, places: tuple[Path, ...]) -> Iterator[tuple[Path, Form]]:
        """A form that is preferred comes first, wherever it lies."""
        for form in self.forms:
            for place in places:
                for path in form.matches(place):
                    yield path, form


@dataclass(frozen=True)
class Near:
    """What lies there in place of a part that is absent; its message, which knows {near}."""

    part: str
    form: Form
    message: str


class FoundParts:
    """The path of each part."""

    def __init__(self, found: Mapping[str, tuple[Path, Form]]) -> None:
        self._found = found
        self.paths = {name: path for name, (path, _) in found.items()}

    def __getitem__(self, part: str) -> Path:
        return self.paths[part]

    def sha256(self) -> dict[str, str]:
        """SHA-256 of each part by its name."""
        return {name: form.sha256(path) for name, (path, form) in self._found.items()}


@dataclass(frozen=True)
class Sources:
    """The parts of a dataset, all needed, in the places where they are looked for, in order.

    get: how to get the data.  no_folder, no_such_folder: no data folder was named, or none is
    there.  absent: knows {missing}, "A, no B".
    half: all parts belong into one place (for downloads of one folder), and this is the message
    where some are there; it knows {missing} and {present}. A part is then there once, and again
    says how to get one anew. None: each part is taken from the first place that has it.
    """

    title: str
    places: tuple[str, ...]
    parts: tuple[Part, ...]
    absent: str
    get: str
    near: tuple[Near, ...] = ()
    no_folder: str = "no data folder given; {get}, and name the folder by --data or RADPRIV_DATA"
    no_such_folder: str = "the data folder {data} does not exist; make it, then {get}"
    half: str | None = None
    again: str = ""

    def find(self, data: Path | None) -> FoundParts:
        """The path of each part; DataError names what is missing and says how to get it."""
        if self.half is not None:
            return self.inside(self.place(data))
        data = self._folder(data)
        places = tuple(path for name in self.places for path in _matches(data, name))
        found = {part.name: next(part.matches(places), None) for part in self.parts}
        missing = [part for part in self.parts if found[part.name] is None]
        for near in self.near:
            if near.part in (part.name for part in missing):
                for path in (path for place in places for path in near.form.matches(place)):
                    self._refuse(near.message, data, missing, near=path)
        if missing:
            self._refuse(self.absent, data, missing)
        return FoundParts({name: match for name, match in found.items() if match})

    def place(self, data: Path | None) -> Path:
        """The first place that has all parts; DataError as for `find`."""
        data = self._folder(data)
        partial: dict[str, list[Path]] = {}
        for place in (data / name for name in self.places):
            found = {part.name: self._all(part, place) for part in self.parts}
            if all(found.values()):
                return place
            if not any(partial.values()):
                partial = found
        if not any(partial.values()):
            self._refuse(self.absent, data, self.parts)
        missing = ", ".join(part.called for part in self.parts if not partial[part.name])
        present = ", ".join(str(path) for paths in partial.values() for path in paths)
        self._refuse(self.half or self.absent, data, missing=missing, present=present)

    def inside(self, place: Path) -> FoundParts:
        """The parts in a place that has all; DataError for one that lacks, is there twice, or is
        a pointer that git left."""
        found = {}
        for part in self.parts:
            paths = self._all(part, place)
            if not paths:
                raise DataError(
                    f"{self.title}: {part.called} is missing under {place}; {self.again}"
                )
            if len(paths) > 1:
                both = " and ".join(map(str, paths))
                raise DataError(f"{self.title}: {both} stand for the same file; delete one")
            found[part.name] = (_no_pointer(paths[0]), part.forms[0])
        return FoundParts(found)

    def _folder(self, data: Path | None) -> Path:
        if data is None:
            self._refuse(self.no_folder, Path("DATA"))
        if not data.is_dir():
            self._refuse(self.no_such_folder, data)
        return data

    def _all(self, part: Part, place: Path) -> list[Path]:
        return [path for path, _ in part.matches((place,))]

    def _refuse(
        self,
        message: str,
        data: Path,
        parts: tuple[Part, ...] | list[Part] = (),
        **known: str | Path,
    ) -> NoReturn:
        home = data / self.places[0]
        facts = {"missing": ", no ".join(part.called for part in parts), **known}
        get = self.get.format(data=data, home=home)
        sentence = message.format(data=data, home=home, get=get, **facts)
        raise DataError(f"{self.title}: {sentence}")


def _matches(folder: Path, name: str) -> list[Path]:
    """What a name or a pattern stands for there; a name also where nothing is."""
    return sorted(folder.glob(name), reverse=True) if "[" in name else [folder / name]


def _no_pointer(path: Path) -> Path:
    with reading(path), path.open("rb") as file:
        pointer = file.read(len(_POINTER)) == _POINTER
    if pointer:
        raise DataError(f"{path}: git left a pointer here instead of the file; run: git lfs pull")
    return path
