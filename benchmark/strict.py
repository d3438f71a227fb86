"""What makes a dataclass a file format: read strictly, and no message shows a value.

store/schema.py reads and writes such classes; they may lie anywhere.
"""

from __future__ import annotations

import dataclasses
from typing import TypeVar

from pydantic import ConfigDict

T = TypeVar("T")

STRICT = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True, allow_inf_nan=False)


def file_format(kind: type[T]) -> type[T]:
    """Marks a dataclass, or a part of one, as read and written strictly."""
    if not dataclasses.is_dataclass(kind):
        raise TypeError(f"{kind.__name__}: a file format is a dataclass")
    kind.__pydantic_config__ = STRICT  # type: ignore[attr-defined]
    return kind
