"""The docs site: `python -m tox -e docs` builds it into build/docs, offline, without warnings."""

import re
from pathlib import Path

from sphinx.application import Sphinx

project = "radpriv"
author = "radpriv maintainers"
project_copyright = "radpriv maintainers, Apache-2.0"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["schema"]
suppress_warnings = ["misc.highlighting_failure"]

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
maximum_signature_line_length = 80
napoleon_google_docstring = True
napoleon_numpy_docstring = False
default_role = "code"  # one backtick in a docstring is code, as in Markdown

html_theme = "furo"
html_title = "radpriv"
html_copy_source = False
html_static_path = ["static"]
html_css_files = ["radpriv.css"]

ROOT_PAGES = {p.name: p.stem.lower() for p in Path(__file__).parents[1].glob("*.md")}
"""Pages that lie beside README.md, which the site takes in: docs/contributing.md is one line."""
LINK = re.compile(r"\]\((?:docs/|\.\./)?([\w.-]+\.(?:md|png|svg))(#[\w-]+)?\)")


def on_the_site(text: str) -> str:
    """Links that a reader of the repository follows, leading to the same pages of the site."""

    def moved(match: re.Match[str]) -> str:
        page = ROOT_PAGES.get(match[1])
        return f"]({f'{page}.md' if page else match[1]}{match[2] or ''})"

    return LINK.sub(moved, text)


def included(app: Sphinx, path: Path, parent: str, content: list[str]) -> None:
    content[0] = on_the_site(content[0])


def read(app: Sphinx, page: str, content: list[str]) -> None:
    content[0] = on_the_site(content[0])


def as_blocks(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """An indented block after an empty line of a docstring is code, as in Markdown."""
    made: list[str] = []
    depth, blank, inside = 0, False, False
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if line.strip():
            inside = inside and indent > depth
            if blank and not inside and indent > depth:
                made += ["::", ""]
                inside = True
            if not inside:
                depth = indent
        blank = not line.strip()
        made.append(line)
    lines[:] = made


def setup(app: Sphinx) -> None:
    app.connect("include-read", included)
    app.connect("source-read", read)
    app.connect("autodoc-process-docstring", as_blocks, priority=400)
