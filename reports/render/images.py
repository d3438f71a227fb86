"""A figure as PNG, SVG or an element of a page: no date and no random id, so equal results give
equal bytes."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from radpriv.reports.render.own_settings import own_settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@own_settings()
def png(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=160, metadata={"Software": None})
    return out.getvalue()


@own_settings()
def svg(figure: Figure, salt: str = "radpriv") -> str:
    """SVG with real text in a generic font and no metadata."""
    import matplotlib

    out = io.StringIO()
    style: dict[Any, Any] = {
        "svg.hashsalt": salt,
        "svg.fonttype": "none",
        "font.family": "sans-serif",
    }
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with matplotlib.rc_context(style):
        figure.savefig(out, format="svg", metadata=nothing)
    text = re.sub(r"font: (?:(\w+) )?([\d.]+px) [^;\"]+", _font, out.getvalue())
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def inline_svg(figure: Figure, prefix: str, description: str) -> str:
    """An <svg> element for a page: ids made unique by `prefix`, no address of any kind."""
    from html import escape

    text = svg(figure, prefix)
    text = text[text.index("<svg") :]
    text = re.sub(r'\s(xmlns(:\w+)?)="[^"]*"', "", text)
    text = re.sub(r"<style[^>]*>.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r"url\(#", f"url(#{prefix}-", text)
    text = re.sub(r'(?:xlink:)?href="#', f'href="#{prefix}-', text)
    opening = f'<svg role="img" aria-label="{escape(description, quote=True)}"'
    text = text.replace("<svg", opening, 1)
    return re.sub(
        r'(<svg[^>]*?) width="[^"]*"',
        r"\1",
        re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1),
        count=1,
    )


def _font(match: re.Match[str]) -> str:
    weight = f"{match[1]} " if match[1] else ""
    return f"font: {weight}{match[2]} system-ui, 'Segoe UI', Helvetica, Arial, sans-serif"
