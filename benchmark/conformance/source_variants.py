"""What may befall a folder of source data: cut files, strange cells, other names, another order.

    for variant in cut(folder): variant.apply(copy)      # `copy` is a copy of the folder

Each variant changes one file. Lines of text are cut and replaced as lines, plain or gzipped; in an
archive it is a member. Columns are not known here, so a strange cell may well be a legitimate one.
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MARKER = "quuxiform"
"""A word that no report has: where an error shows it, it quotes a cell."""
PER_KIND = 2
"""Files of one folder and suffix that are tried."""


@dataclass(frozen=True)
class Variant:
    """One change. what: in words.  path: the file, relative to the folder.  change: makes it."""

    what: str
    path: Path
    change: Callable[[Path], object]

    def apply(self, folder: Path) -> None:
        self.change(folder / self.path)


def files(folder: Path) -> list[Path]:
    """Relative paths of all files, by name; of many of a kind in one folder the first few."""
    kinds: dict[tuple[int, str], list[Path]] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        relative = path.relative_to(folder)
        kinds.setdefault((len(relative.parts), path.suffix.lower()), []).append(relative)
    return [
        path for kind in kinds.values() for path in (kind[:PER_KIND] if len(kind) > 8 else kind)
    ]


def cut(folder: Path) -> Iterator[Variant]:
    """Each file empty, and cut at its half: within a line, where it is lines."""
    for path in files(folder):
        content = (folder / path).read_bytes()
        half = len(content) // 2
        if lines := _lines(content):
            number = len(lines) // 2
            half = sum(map(len, lines[:number])) + len(lines[number].rstrip()) // 2
        yield Variant("cut at its half", path, _written(content[:half]))
        yield Variant("empty", path, _written(b""))


def strange(folder: Path) -> Iterator[Variant]:
    """Each file with a strange line, row, cell or member in it."""
    for path in files(folder):
        content = (folder / path).read_bytes()
        if _packed(folder / path):
            yield Variant("with a strange member", path, _strange_member)
            continue
        zipped = content[:2] == b"\x1f\x8b"
        lines = _lines(gzip.decompress(content) if zipped else content)
        if len(lines) < 2:
            middle = len(content) // 2
            changed = content[:middle] + MARKER.encode() + content[middle:]
            yield Variant("with strange bytes in it", path, _written(changed))
            continue
        at = max(1, len(lines) // 2)
        cells = lines[at].rstrip(b"\r\n").split(b",")
        word = MARKER.encode()
        for what, line in (
            ("without one line", b""),
            ("with a strange line", lines[at] + word + b"\n"),
            ("with a strange row", b",".join([word] * len(cells)) + b"\n"),
            *(
                (f"with a strange cell {i}", b",".join([*cells[:i], word, *cells[i + 1 :]]) + b"\n")
                for i in sorted({*range(min(3, len(cells))), len(cells) // 2, len(cells) - 1})
            ),
        ):
            changed = b"".join([*lines[:at], line, *lines[at + 1 :]])
            yield Variant(what, path, _written(gzip.compress(changed) if zipped else changed))


def renamed(folder: Path) -> Iterator[Variant]:
    """Each file under a name that is nearly its own."""
    for path in files(folder):
        for near in _near(path.name):
            yield Variant(f"called '{near}'", path, _renamed(near))


def doubled(folder: Path) -> Iterator[Variant]:
    """Each file with a copy beside it, as browsers and editors leave them."""
    for path in files(folder):
        for near in _near(path.name):
            yield Variant(f"with a copy '{near}' beside it", path, _copied(near))


def turned(folder: Path) -> Iterator[Variant]:
    """Each archive with its members in the opposite order."""
    for path in files(folder):
        if _packed(folder / path):
            yield Variant("with its members turned round", path, _turned)


@contextmanager
def listed(backwards: bool) -> Iterator[None]:
    """Folders list their files in order of name, or in the opposite one, inside the block."""
    listdir, scandir = os.listdir, os.scandir

    def names(*args: Any) -> list[Any]:
        return sorted(listdir(*args), reverse=backwards)

    class Entries:
        def __init__(self, *args: Any) -> None:
            with scandir(*args) as found:
                self._entries = iter(sorted(found, key=lambda e: e.name, reverse=backwards))

        def __iter__(self) -> Iterator[Any]:
            return self._entries

        def __next__(self) -> Any:
            return next(self._entries)

        def __enter__(self) -> Entries:
            return self

        def __exit__(self, *_: object) -> None:
            self.close()

        def close(self) -> None:
            self._entries = iter(())

    os.listdir, os.scandir = names, Entries  # type: ignore[assignment]
    try:
        yield
    finally:
        os.listdir, os.scandir = listdir, scandir


def _near(name: str) -> list[str]:
    stem, dot, suffix = name.partition(".")
    return [f"{stem} (1){dot}{suffix}", f"{name}.part", f"copy_of_{name}"]


def _lines(content: bytes) -> list[bytes]:
    """Lines with their ends; none where it is no text."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return []
    return [] if b"\0" in content else content.splitlines(keepends=True)


def _written(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def _renamed(name: str) -> Callable[[Path], object]:
    return lambda path: path.rename(path.with_name(name))


def _copied(name: str) -> Callable[[Path], object]:
    return lambda path: path.with_name(name).write_bytes(path.read_bytes())


def _packed(path: Path) -> bool:
    return zipfile.is_zipfile(path) or tarfile.is_tarfile(path)


def _members(path: Path) -> list[tuple[str, bytes]]:
    """(name, content) of the files in an archive, in its order."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return [(i.filename, archive.read(i)) for i in archive.infolist() if not i.is_dir()]
    with tarfile.open(path) as tar:
        found = [(m.name, tar.extractfile(m)) for m in tar.getmembers() if m.isfile()]
        return [(name, file.read()) for name, file in found if file is not None]


def _pack(path: Path, members: list[tuple[str, bytes]]) -> None:
    """The archive again, of the same kind, with these members."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members:
                archive.writestr(name, content)
        return
    zipped = path.read_bytes()[:2] == b"\x1f\x8b"
    with tarfile.open(path, "w:gz" if zipped else "w") as tar:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def _turned(path: Path) -> None:
    _pack(path, _members(path)[::-1])


def _strange_member(path: Path) -> None:
    members = _members(path)
    name, content = members[len(members) // 2]
    half = content[: len(content) // 2] + MARKER.encode()
    _pack(path, [(n, half if n == name else c) for n, c in members])
