"""What the page does with text that is long, wide or hostile."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from radpriv.reports.build import build
from radpriv.reports.page import interval, page
from radpriv.reports.results.load import load


def test_an_interval_is_an_element_of_its_own_and_still_escaped() -> None:
    assert interval("0.56 [0.52, 0.60]") == '0.56 <span class="interval">[0.52, 0.60]</span>'
    assert interval("<b> [<i>]") == '&lt;b&gt; <span class="interval">[&lt;i&gt;]</span>'
    assert interval("a [b] c") == "a [b] c" and interval("<b>") == "&lt;b&gt;"


def test_wide_tables_are_marked_and_long_facts_are_folded(fake: Any) -> None:
    fake.attacks = ("loss", "lira", "blind")
    root: Path = fake.write()
    results = load(root, "demo")
    html = page(results, build(results))
    tables = re.findall(r"<table( class=\"wide\")?>\s*<caption[^>]*>([^<]*)", html)
    marked = [title for wide, title in tables if wide]
    assert any(title.startswith("Membership inference by loss") for title in marked)
    assert not any(wide for wide, title in tables if title.startswith("Weighted"))
    for fact in re.findall(r"<dd>((?:(?!</dd>).)*)</dd>", html, re.DOTALL):
        assert len(fact) <= 320 or fact.startswith('<details class="long">'), fact
