"""Files that are either whole or absent: what every write of the store goes through.

    write_json(path, {"epsilon": 8.0})       # sorted keys, indent 1; one content, one byte sequence
    write_parquet(path, table)               # likewise
    atomic_write(path, b"...")

A file is written under a name of its own in the same folder, synced, and renamed into place, so a
reader sees the old content or the new and a killed writer leaves only a temporary file. The writer
holds an flock on it: `sweep` removes what nobody holds, and so never a file in use, also when the
writer runs on another machine of a shared file system.
"""

from __future__ import annotations

import errno
import fcntl
import json
import math
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radpriv.errors import StoreError

if TYPE_CHECKING:
    import pyarrow as pa

_TEMPORARY = re.compile(r"\..+\.\d+-[0-9a-f]{16}\.tmp")
PRIVATE = "private"


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn whatever the file system says inside into one sentence about `path`."""
    try:
        yield
    except OSError as error:
        raise StoreError(sentence(path, error)) from error


def sentence(path: Path, error: OSError) -> str:
    """What went wrong at `path` and what to do, in one line."""
    where = path
    if isinstance(error.filename, str) and not _TEMPORARY.fullmatch(Path(error.filename).name):
        where = Path(error.filename)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        what = "no space is left" if error.errno == errno.ENOSPC else "the disk quota is used up"
        return f"{where}: {what}; free some and run again, finished results are kept"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{where}: not permitted ({error.strerror}); make it writable or give another store"
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"{where}: a file lies where a folder belongs; move it or give another store"
    return f"{where}: {error.strerror or error}; see to the file system and run again"


def make_folder(path: Path) -> Path:
    """Create `path` and its parents; a folder called private is readable by its owner only."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(mode=0o700 if path.name == PRIVATE else 0o777, exist_ok=True)
    return path


def atomic_write(path: Path, data: bytes, mode: int | None = None) -> None:
    """Put `data` at `path`, whole or not at all, and on disk when this returns.

    mode: permission bits, by default 600 in a folder called private and the umask's elsewhere.
    """
    if mode is None:
        mode = 0o600 if path.parent.name == PRIVATE else 0o666
    with storing(path):
        make_folder(path.parent)
        handle, temporary = _temporary_beside(path, mode)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
            os.fsync(handle)
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        finally:
            os.close(handle)
        sync_folder(path.parent)


def _temporary_beside(path: Path, mode: int) -> tuple[int, Path]:
    """A new locked file in the folder of `path`: its descriptor and name."""
    while True:
        name = f".{path.name}.{os.getpid()}-{secrets.token_hex(8)}.tmp"
        temporary = path.with_name(name)
        handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
        with suppress(OSError):  # a file system without flock: sweep cannot lock either
            fcntl.flock(handle, fcntl.LOCK_EX)
        if _is_at(handle, temporary):
            return handle, temporary
        os.close(handle)  # swept between open and flock


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def sweep(folder: Path, recurse: bool = False) -> list[Path]:
    """Remove temporary files of killed writers from `folder`; those removed.

    A file that its writer still holds is left alone, and so is all of a folder that cannot be
    written: there is nothing to repair for a reader.
    """
    removed = []
    for base, folders, names in os.walk(folder):
        for name in names:
            path = Path(base, name)
            if _TEMPORARY.fullmatch(name) and _remove_if_abandoned(path):
                removed.append(path)
        if not recurse:
            folders.clear()
    return removed


def _remove_if_abandoned(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(handle, path):
            path.unlink()
            return True
    except OSError:
        pass  # held by its writer, renamed into place meanwhile, or not ours to remove
    finally:
        os.close(handle)
    return False


def sync_folder(path: Path) -> None:
    """Put the names in a folder on disk: without it a rename may be lost with the power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """Deterministic JSON: sorted keys, indent 1, final newline; infinity is "inf", NaN refused."""
    try:
        text = json.dumps(_plain(value, ""), sort_keys=True, indent=1, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StoreError(f"{path}: {error}; give text, finite numbers, lists and maps") from error
    atomic_write(path, f"{text}\n".encode())


def _plain(value: Any, field: str) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v, f"{field}.{k}") for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v, f"{field}[{i}]") for i, v in enumerate(value)]
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return _plain(value.tolist(), field)
    if isinstance(value, float) and not math.isfinite(value):
        if math.isnan(value):
            raise ValueError(f"field {field.lstrip('.')} is NaN")
        return "inf" if value > 0 else "-inf"
    return value


def read_bytes(path: Path) -> bytes:
    """The content of a file; StoreError where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise StoreError(f"{path}: absent; run what makes it first") from error
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror})") from error


def read_json(path: Path, advice: str = "delete its folder and run again") -> Any:
    """The value in a JSON file; StoreError names the file and the line that is damaged."""
    return json_value(path, read_bytes(path), advice)


def json_value(path: Path, data: bytes, advice: str) -> Any:
    """The value of what a JSON file holds; see `read_json`."""
    try:
        return json.loads(data, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        what = f"{path} line {error.lineno}: damaged ({error.msg})"
    except (ValueError, RecursionError) as error:
        what = f"{path}: damaged ({error})"
    raise StoreError(f"{what}; {advice}")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def write_parquet(path: Path, table: pa.Table) -> None:
    """A table as Parquet whose bytes depend on its columns only (and on pyarrow's version).

    Metadata and field ids, which record a table's history, are dropped before; chunks leave no
    trace in one row group.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([_bare(field) for field in table.schema])
    flat = table.replace_schema_metadata(None).cast(schema)
    sink = pa.BufferOutputStream()
    pq.write_table(flat, sink, compression="zstd", row_group_size=1 << 20, store_schema=False)
    atomic_write(path, sink.getvalue().to_pybytes())


def _bare(field: pa.Field) -> pa.Field:
    """The field without metadata, inside lists too."""
    import pyarrow as pa

    kind = field.type
    if pa.types.is_list(kind):
        kind = pa.list_(_bare(kind.value_field).with_name("element"))
    return pa.field(field.name, kind, field.nullable)


def read_parquet(path: Path) -> pa.Table:
    """The table in a Parquet file; StoreError names the file that is absent or damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path).read()
    except FileNotFoundError as error:
        raise StoreError(f"{path}: absent; run what makes it first") from error
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StoreError(f"{path}: damaged ({reason}); delete its folder and run again") from error
