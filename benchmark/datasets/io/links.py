"""Symbolic links in a dataset's folder: followed where somebody named them, refused among reports.

    inside(entry.path, folder)          # for an entry of `folder` that is a link

What is looked for by its name, a folder, an archive or a table, may be a link: a big disk elsewhere
is common, and so is Hugging Face's cache, whose files are links. But one link among thousands of
reports is nobody's arrangement. Where it leads out of their folder it is refused: followed in
silence, it would bring any file of the machine into the dataset under a report's name.
"""

from __future__ import annotations

import os
from pathlib import Path

from radpriv.errors import DataError


def inside(link: str | os.PathLike[str], folder: Path) -> None:
    """DataError naming a link that leads out of `folder`, which may itself be reached by one."""
    target = os.path.realpath(link)
    if not Path(target).is_relative_to(os.path.realpath(folder)):
        raise DataError(
            f"{os.fspath(link)}: a link that leads out of {folder}; put the file itself here (a "
            f"link to the whole of {folder.name}/ is followed)"
        )
