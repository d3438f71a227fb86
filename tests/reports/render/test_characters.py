"""Text of users is text: in a terminal of any encoding, in Markdown, on the page, in file names."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from radpriv.reports.render.characters import (
    REPLACEMENT,
    encodable,
    one_line,
    register_replacement,
    visible,
)
from radpriv.reports.render.renderers import escaped
from radpriv.reports.write import _file_names, write_report

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
NASTY = "[x](http://a.b) <i>&amp; {{ 1 }} %s $x_1$ _y_ `q` ~~z~~ | \\ ![i](u) [a]: b *c*"


def test_signs_become_words_where_they_cannot_be_encoded() -> None:
    assert encodable("ε ≥ 1 ± 0.1, é", "ascii") == "eps >= 1 +- 0.1, e"
    assert encodable("ε ≥ 1 ± 0.1, é", "cp1252") == "eps >= 1 ± 0.1, é"
    assert encodable("ε ± 漢", "utf-8") == "ε ± 漢" and encodable("漢", "ascii") == "?"


@given(st.text(), st.sampled_from(["ascii", "latin-1", "cp1252", "utf-8", "shift_jis", "cp437"]))
def test_any_text_can_be_written_to_any_stream(text: str, encoding: str) -> None:
    """By the codec error handler, also lone surrogates; and never otherwise than `encodable`."""
    register_replacement()
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=REPLACEMENT, newline="")
    file.write(text)
    file.flush()
    written = file.buffer.getvalue()  # type: ignore[attr-defined]
    assert written == encodable(text, encoding).encode(encoding)


def test_what_would_act_is_shown_as_an_escape() -> None:
    """Terminal codes, what turns the direction of a line, and bytes of a path that is no UTF-8."""
    assert visible("a\x1b[2J\u202eb\udcff\x07") == r"a\x1b[2J\u202eb\xff\x07"
    assert visible("two\nlines\there") == "two\nlines\there"
    assert one_line("two\nlines\there") == r"two\nlines\there"
    assert visible("שלום [x] {y} é") == "שלום [x] {y} é"


@pytest.mark.parametrize(
    "text", [NASTY, "# h", "1. x", "123) x", "- a", "---", "===", "+ b", "> q", "[x]", "_a_b_"]
)
def test_markdown_renders_to_the_text_itself(text: str) -> None:
    shown = [c for t in MARKDOWN.parse(escaped(text)) for c in t.children or ()]
    assert {c.type for c in shown} == {"text"} and "".join(c.content for c in shown) == text
    assert [t.type for t in MARKDOWN.parse(escaped(text))][::2] == [
        "paragraph_open",
        "paragraph_close",
    ]


@given(st.text("[]()!_*`~$|\\#+-=>.:1a <&;\n", max_size=12))
def test_markdown_of_any_marks_is_their_text(text: str) -> None:
    shown = [c for t in MARKDOWN.parse(f"x {escaped(text)} y") for c in t.children or ()]
    assert "".join(c.content for c in shown) == f"x {' '.join(text.split())} y"


def test_numbers_with_intervals_stay_readable_in_markdown() -> None:
    assert escaped("0.51 [0.45, 0.56]") == "0.51 [0.45, 0.56]"
    assert escaped("-0.03 ± 0.01") == "-0.03 ± 0.01" and escaped("dp_lora") == "dp_lora"


def test_labels_and_notes_are_text_in_every_file(fake: Any) -> None:
    """A dataset's label and a suite's note with marks of every kind, on page and in Markdown."""
    fake.dataset = "a/b [x] <i>&$m$_z_"
    written = write_report(fake.write(), "demo")
    page, text = written.page.read_text(), (written.folder / "report.md").read_text()
    assert "a/b [x] &lt;i&gt;&amp;$m$_z_" in page and "<i>&$m" not in page
    assert r"a/b [x] &lt;i&gt;&amp;\$m\$\_z\_" in text
    drawn = (written.folder / "f1.svg").read_text()
    assert re.search(r"a/b \[x\] &lt;i&gt;&amp;\$m\$_z_", drawn)
    assert r"\u202e" in fill_note("\u202e<b>") and "<b>" not in fill_note("\u202e<b>")


def fill_note(note: str) -> str:
    """A page that shows a line of text."""
    from jinja2 import DictLoader

    from radpriv.reports import page

    environment = page.environment()
    environment.loader = DictLoader({"note": "{{ note }}"})
    return environment.get_template("note").render(note=note)


def test_alike_labels_get_files_of_their_own() -> None:
    assert _file_names(["a/b", "a_b", "A b", "c"]) == ["a_b", "a_b.2", "A_b.3", "c"]
