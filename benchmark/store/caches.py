"""Where private intermediate data lies: RADPRIV_CACHE, mode 700, outside the store, deletable."""

from __future__ import annotations

import os
from pathlib import Path

from radpriv.errors import StoreError


def cache_folder() -> Path:
    """RADPRIV_CACHE, or radpriv/ in the user's cache folder."""
    if folder := os.environ.get("RADPRIV_CACHE"):
        return Path(folder)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "radpriv"


def make_private(folder: Path) -> Path:
    """The folder, made and closed to others whatever the umask, as is RADPRIV_CACHE around it;
    StoreError that says what to do."""
    root = cache_folder()
    try:
        for place in (root, folder) if root in folder.parents else (folder,):
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            place.chmod(0o700)
    except OSError as error:
        raise StoreError(
            f"{folder}: the cache folder cannot be made ({error.strerror}); "
            "set RADPRIV_CACHE to a folder of yours"
        ) from error
    return folder
