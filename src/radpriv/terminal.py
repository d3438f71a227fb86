"""The two consoles. What is printed is text: no markup, no emoji, no colours for numbers; and no
encoding or control character of anybody's stops it or acts on the terminal."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from radpriv.reports.render.characters import (
    REPLACEMENT,
    encodable,
    register_replacement,
    visible,
)


class Terminal(Console):
    """A console whose strings are text; a style is given by a `Text`, never inside a string."""

    def __init__(self, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **given: Any) -> Text:
        return super().render_str(encodable(visible(text), self.encoding), **given)


def styled(*parts: str | tuple[str, str]) -> Text:
    """Text of parts, of which some have a style: styled(("failed", "red"), " later")."""
    pairs = ((part, "") if isinstance(part, str) else part for part in parts)
    return Text.assemble(*((visible(text), style) for text, style in pairs))


def replace_unencodable() -> None:
    """What stdout and stderr cannot encode is written in plainer characters, whoever prints it."""
    register_replacement()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a stream of a test, or none at all, has not
            stream.reconfigure(errors=REPLACEMENT)


def encodes_all() -> bool:
    """Whether stdout can hold every character."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return encoding.lower().replace("_", "-").startswith("utf")


out = Terminal()
err = Terminal(stderr=True)
