"""Mutation operators: from one node of a syntax tree to its faulty replacements.

An operator is a function (node, surroundings) -> replacements. A replacement stands where the node
stood; `None` takes the node out of the list that holds it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass


@dataclass(frozen=True)
class Around:
    """What an operator may know beside its node. variadic: functions that take `*path`."""

    parent: ast.AST
    variadic: frozenset[str]


Operator = Callable[[ast.AST, Around], Iterator[ast.AST | None]]
OPERATORS: dict[type[ast.AST], list[tuple[str, Operator]]] = {}


def operator(*kinds: type[ast.AST]) -> Callable[[Callable], Callable]:
    """Registers an operator, named after its function, for these kinds of node."""

    def register(function: Callable) -> Callable:
        for kind in kinds:
            OPERATORS.setdefault(kind, []).append((function.__name__.replace("_", "-"), function))
        return function

    return register


def changed(node: ast.AST, **fields: object) -> ast.AST:
    """A copy of the node with other fields; its children are shared."""
    new = copy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return new


def without(items: list, i: int) -> list:
    return items[:i] + items[i + 1 :]


def expression(text: str, **parts: ast.AST) -> ast.expr:
    """The expression `text` with each name of `parts` replaced by its node."""

    class Fill(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.AST:
            return parts.get(node.id, node)

    return Fill().visit(ast.parse(text, mode="eval").body)


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.BitXor: ast.BitOr,
}
SCALED = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)


@operator(ast.BinOp)
def drop_term(node: ast.BinOp, around: Around) -> Iterator[ast.AST | None]:
    if not (is_text(node.left) or is_text(node.right)):
        yield node.left
        yield node.right


@operator(ast.BinOp, ast.AugAssign)
def swap_arithmetic(node: ast.BinOp | ast.AugAssign, around: Around) -> Iterator[ast.AST | None]:
    if type(node.op) in ARITHMETIC:
        yield changed(node, op=ARITHMETIC[type(node.op)]())


@operator(ast.BinOp)
def double_value(node: ast.BinOp, around: Around) -> Iterator[ast.AST | None]:
    """Of the outermost operation of a formula."""
    texts = is_text(node.left) or is_text(node.right)
    if isinstance(node.op, SCALED) and not isinstance(around.parent, ast.BinOp) and not texts:
        yield expression("2 * x", x=node)


@operator(ast.BinOp)
def clip_after_sum(node: ast.BinOp, around: Around) -> Iterator[ast.AST | None]:
    """`scale @ g` weighs each row before the sum: leave the weights out, or weigh the sum."""
    if isinstance(node.op, ast.MatMult):
        yield expression("b.sum(0)", b=node.right)
        yield expression("a.min() * b.sum(0)", a=node.left, b=node.right)


@operator(ast.AugAssign)
def assign_instead_of_adding(node: ast.AugAssign, around: Around) -> Iterator[ast.AST | None]:
    yield ast.Assign(targets=[node.target], value=node.value, lineno=node.lineno)


COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt, ast.GtE, ast.Eq),
    ast.LtE: (ast.Lt, ast.Gt, ast.GtE, ast.Eq),
    ast.Gt: (ast.GtE, ast.Lt, ast.LtE, ast.Eq),
    ast.GtE: (ast.Gt, ast.Lt, ast.LtE, ast.Eq),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}


@operator(ast.Compare)
def swap_comparison(node: ast.Compare, around: Around) -> Iterator[ast.AST | None]:
    for i, op in enumerate(node.ops):
        for other in COMPARISONS[type(op)]:
            yield changed(node, ops=[*node.ops[:i], other(), *node.ops[i + 1 :]])


def negated(test: ast.expr) -> ast.expr:
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return test.operand
    return ast.UnaryOp(op=ast.Not(), operand=test)


@operator(ast.If, ast.While, ast.IfExp, ast.Assert)
def negate_condition(node: ast.If, around: Around) -> Iterator[ast.AST | None]:
    """A lone comparison is negated by swap-comparison."""
    if not (isinstance(node.test, ast.Compare) and len(node.test.ops) == 1):
        yield changed(node, test=negated(node.test))


@operator(ast.IfExp)
def take_one_branch(node: ast.IfExp, around: Around) -> Iterator[ast.AST | None]:
    yield node.body
    yield node.orelse


@operator(ast.comprehension)
def drop_filter(node: ast.comprehension, around: Around) -> Iterator[ast.AST | None]:
    for i, test in enumerate(node.ifs):
        yield changed(node, ifs=without(node.ifs, i))
        yield changed(node, ifs=[*node.ifs[:i], negated(test), *node.ifs[i + 1 :]])


@operator(ast.BoolOp)
def swap_and_or(node: ast.BoolOp, around: Around) -> Iterator[ast.AST | None]:
    yield changed(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())


@operator(ast.BoolOp)
def drop_condition(node: ast.BoolOp, around: Around) -> Iterator[ast.AST | None]:
    for i in range(len(node.values)):
        rest = without(node.values, i)
        yield rest[0] if len(rest) == 1 else changed(node, values=rest)


@operator(ast.UnaryOp)
def drop_sign_or_not(node: ast.UnaryOp, around: Around) -> Iterator[ast.AST | None]:
    yield node.operand


@operator(ast.Constant)
def scale_number(node: ast.Constant, around: Around) -> Iterator[ast.AST | None]:
    if isinstance(node.value, int | float) and not isinstance(node.value, bool):
        yield ast.Constant(node.value * 2 or type(node.value)(1))


@operator(ast.Constant)
def off_by_one(node: ast.Constant, around: Around) -> Iterator[ast.AST | None]:
    if isinstance(node.value, int) and not isinstance(node.value, bool):
        yield ast.Constant(node.value + 1)
        yield ast.Constant(node.value - 1)


@operator(ast.Constant)
def flip_bool(node: ast.Constant, around: Around) -> Iterator[ast.AST | None]:
    if isinstance(node.value, bool):
        yield ast.Constant(not node.value)


@operator(ast.Constant, ast.Attribute)
def narrow_dtype(node: ast.Constant | ast.Attribute, around: Around) -> Iterator[ast.AST | None]:
    if isinstance(node, ast.Attribute) and node.attr == "float64":
        yield changed(node, attr="float32")
    if isinstance(node, ast.Constant) and node.value in ("float64", "<f8"):
        yield ast.Constant({"float64": "float32", "<f8": "<f4"}[node.value])


@operator(ast.Tuple, ast.List, ast.Set)
def drop_element(node: ast.Tuple, around: Around) -> Iterator[ast.AST | None]:
    """In a stream's path this makes two values share one key."""
    if len(node.elts) > 1 and isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
        for i in range(len(node.elts)):
            yield changed(node, elts=without(node.elts, i))


@operator(ast.Dict)
def drop_entry(node: ast.Dict, around: Around) -> Iterator[ast.AST | None]:
    for i in range(len(node.keys)):
        yield changed(node, keys=without(node.keys, i), values=without(node.values, i))
