"""A small language for wordings, compiled once and expanded by draws.

    {slot}      another phrase, drawn from the slots of its file or filled by the caller
    (a|b|)      one of these, each as likely
    [a]         a, one time in three
    \\( \\[ \\|   the character itself
    +...        at the start of a noun phrase: it is plural ({is} beside it becomes "are")

A slot that is sticky keeps its value for as long as the caller keeps the same `details`: the fourth
rib stays the fourth, in the findings, in the impression and at the next visit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from radpriv.benchmark.datasets.synthetic.engine.stream import Stream
from radpriv.errors import DataError

_TOKENS = re.compile(r"\\.|\{\w+\}|[()\[\]|]|[^\\{}()\[\]|]+")
_SINGULAR = {"is": "is", "has": "has", "was": "was", "remains": "remains", "does": "does"}
_PLURAL = {"is": "are", "has": "have", "was": "were", "remains": "remain", "does": "do"}
AGREEING = frozenset(_SINGULAR)


@dataclass(frozen=True, slots=True)
class Ref:
    slot: str


@dataclass(frozen=True, slots=True)
class Choice:
    options: tuple[Node, ...]


Node = str | Ref | Choice | tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Phrase:
    node: Node
    plural: bool


def compiled(text: str) -> Phrase:
    """The phrase; DataError if a bracket does not close or a character is out of place."""
    plural = text.startswith("+")
    body = text[1:] if plural else text
    tokens = _TOKENS.findall(body)
    if "".join(tokens) != body:
        raise DataError(f"'{text}' has a stray brace or backslash")
    rest = iter(tokens)
    options, end = _options(rest)
    if end or len(options) != 1:
        raise DataError(f"'{text}' has a bracket or bar too many")
    return Phrase(options[0], plural)


def _options(tokens: Iterator[str]) -> tuple[list[Node], str]:
    """Alternatives up to a closing bracket or the end, and what ended them."""
    options: list[Node] = []
    parts: list[Node] = []
    for token in tokens:
        if token == "|":
            options.append(_joined(parts))
            parts = []
        elif token in ")]":
            return [*options, _joined(parts)], token
        elif token in "([":
            inner, end = _options(tokens)
            if end != (")" if token == "(" else "]"):
                raise DataError("a bracket is not closed")
            parts.append(Choice(tuple(inner) if token == "(" else ("", "", *inner)))
        elif token[0] == "{":
            parts.append(Ref(token[1:-1]))
        else:
            parts.append(token[1] if token[0] == "\\" else token)
    return [*options, _joined(parts)], ""


def _joined(parts: list[Node]) -> Node:
    return parts[0] if len(parts) == 1 else tuple(parts) if parts else ""


def slots_of(node: Node) -> set[str]:
    """Names of all slots that the phrase refers to."""
    if isinstance(node, Ref):
        return {node.slot}
    parts = node.options if isinstance(node, Choice) else () if isinstance(node, str) else node
    return set().union(*map(slots_of, parts)) if parts else set()


class Expander:
    """Expands phrases with one report's draws. slots: name to phrases; sticky: names that stay."""

    def __init__(
        self, slots: Mapping[str, tuple[Phrase, ...]], sticky: frozenset[str], draw: Stream
    ) -> None:
        self.slots = slots
        self.sticky = sticky
        self.draw = draw

    def text(
        self, phrase: Phrase, details: dict[str, str], fills: Mapping[str, str] | None = None
    ) -> str:
        out: list[str] = []
        self._write(phrase.node, details, fills or {}, out)
        return "".join(out)

    def _write(
        self, node: Node, details: dict[str, str], fills: Mapping[str, str], out: list[str]
    ) -> None:
        if isinstance(node, str):
            out.append(node)
        elif isinstance(node, tuple):
            for part in node:
                self._write(part, details, fills, out)
        elif isinstance(node, Choice):
            self._write(self.draw.pick(node.options), details, fills, out)
        elif node.slot in fills:
            out.append(fills[node.slot])
        elif node.slot in details:
            out.append(details[node.slot])
        elif node.slot in self.sticky:
            inner: list[str] = []
            self._write(self.draw.pick(self.slots[node.slot]).node, details, fills, inner)
            details[node.slot] = "".join(inner)
            out.append(details[node.slot])
        else:
            self._write(self.draw.pick(self.slots[node.slot]).node, details, fills, out)


def agreeing(plural: bool) -> Mapping[str, str]:
    """Verbs that agree with a noun phrase."""
    return _PLURAL if plural else _SINGULAR
