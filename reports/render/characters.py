"""Text of users as it is: what a stream cannot hold is written in plainer characters, and what
would act on a terminal or a page is shown instead.

    encodable("ε ≥ 1 ± 0.1", "ascii")      # "eps >= 1 +- 0.1"
    visible("a\\x1b[2Jb")                   # "a\\\\x1b[2Jb": no code reaches the terminal
    register_replacement()                 # open(..., errors=REPLACEMENT) does what encodable does
"""

from __future__ import annotations

import codecs
import re
import unicodedata

REPLACEMENT = "radpriv.plainer"
"""Name of the codec error handler that writes plainer characters."""

PLAINER = {
    "ε": "eps",
    "δ": "delta",
    "σ": "sigma",
    "α": "alpha",
    "μ": "mu",
    "µ": "mu",
    "±": "+-",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
    "≠": "!=",
    "×": "x",
    "÷": "/",
    "−": "-",
    "–": "-",
    "—": "-",
    "·": "|",
    "•": "*",
    "…": "...",
    "∞": "inf",
    "→": "->",
    "←": "<-",
    "⁻": "^-",
    "√": "sqrt",
    "½": "1/2",
    "∈": "in",
    "✓": "ok",
    "▲": "^",
    "△": "^t",
    "“": '"',
    "”": '"',
    "„": '"',
    "‘": "'",
    "’": "'",
    "─": "-",
    "━": "-",
    "│": "|",
    "┃": "|",
    "\xa0": " ",
    "\u2009": " ",
    "\u202f": " ",
    "§": "section ",
}
_ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but for tab and line feed, separators of lines, what turns the direction of
the text that follows, and bytes of no encoding."""


def visible(text: str) -> str:
    """With an escape in place of each character that would act, or that is none."""
    return _ACTS.sub(_escape, text)


def one_line(text: str) -> str:
    """The same, with escapes for line feeds and tabs too."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def encodable(text: str, encoding: str) -> str:
    """With plainer characters in place of those that the encoding has not."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(c if _has(encoding, c) else _plainer(c) for c in text)
    except LookupError:
        return text
    return text


def register_replacement() -> None:
    """Makes the error handler REPLACEMENT known to Python."""
    codecs.register_error(REPLACEMENT, _replace)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(map(_plainer, text)), error.end


def _plainer(char: str) -> str:
    """ASCII: words for signs, letters without their accents, an escape for a lost byte, else "?".

    Never more than ASCII, for the error of a code page does not say which it is.
    """
    if char in PLAINER:
        return PLAINER[char]
    if "\ud800" <= char <= "\udfff":
        return _escaped(char)
    bare = "".join(c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c))
    return bare if bare and bare.isascii() else "?"


def _has(encoding: str, text: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _escape(match: re.Match[str]) -> str:
    return _escaped(match[0])


def _escaped(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a path that is not UTF-8, as Python keeps it
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
