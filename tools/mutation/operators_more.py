"""The other half of the operators: calls, statements and loops."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .operators import Around, changed, expression, operator, without

SWAPPED = {
    "min": "max",
    "max": "min",
    "amin": "amax",
    "amax": "amin",
    "clamp_min": "clamp_max",
    "clamp_max": "clamp_min",
    "any": "all",
    "all": "any",
    "floor": "ceil",
    "ceil": "floor",
    "double": "float",
}
"""By name of a function or method."""

UNWRAPPED = {
    "abs", "clamp", "clamp_max", "clamp_min", "clip", "exp", "float64", "log", "nan_to_num", "sqrt",
    "square", "sorted", "reversed", "norm",
}  # fmt: skip


def name_of(call: ast.Call) -> str:
    f = call.func
    return f.id if isinstance(f, ast.Name) else f.attr if isinstance(f, ast.Attribute) else ""


def is_method(call: ast.Call) -> bool:
    """x.f(…), where x is no module."""
    modules = {"torch", "np", "numpy", "math", "json", "os"}
    f = call.func
    return isinstance(f, ast.Attribute) and not (
        isinstance(f.value, ast.Name) and f.value.id in modules
    )


def renamed(call: ast.Call, name: str) -> ast.AST:
    field = "id" if isinstance(call.func, ast.Name) else "attr"
    return changed(call, func=changed(call.func, **{field: name}))


def inner(call: ast.Call) -> ast.AST | None:
    """The value that a call works on: its receiver or its first argument."""
    if is_method(call):
        assert isinstance(call.func, ast.Attribute)
        return call.func.value
    first = call.args[0] if call.args else None
    return None if isinstance(first, ast.Starred | ast.GeneratorExp) else first


@operator(ast.Call)
def drop_argument(node: ast.Call, around: Around) -> Iterator[ast.AST | None]:
    """A keyword; a starred argument; any argument of a function that takes `*path`."""
    for i, keyword in enumerate(node.keywords):
        if keyword.arg != "repr":
            yield changed(node, keywords=without(node.keywords, i))
    for i, argument in enumerate(node.args):
        if isinstance(argument, ast.Starred) or (i and name_of(node) in around.variadic):
            yield changed(node, args=without(node.args, i))


@operator(ast.Call)
def swap_call(node: ast.Call, around: Around) -> Iterator[ast.AST | None]:
    name = name_of(node)
    if name in SWAPPED:
        yield renamed(node, SWAPPED[name])
    if isinstance(node.func, ast.Attribute) and name in ("sum", "mean"):
        yield renamed(node, "mean" if name == "sum" else "sum")


@operator(ast.Call)
def unwrap_call(node: ast.Call, around: Around) -> Iterator[ast.AST | None]:
    """`x.sqrt()` or `sqrt(x)` to `x`; `min(a, b)` to `a` and to `b`."""
    name = name_of(node)
    if name in UNWRAPPED:
        yield inner(node) or node
    if isinstance(node.func, ast.Name) and name in ("min", "max") and len(node.args) == 2:
        yield from node.args


@operator(ast.Call)
def count_one_fewer(node: ast.Call, around: Around) -> Iterator[ast.AST | None]:
    if name_of(node) == "range" and not any(isinstance(a, ast.Starred) for a in node.args):
        i = min(len(node.args) - 1, 1)
        fewer = expression("n - 1", n=node.args[i])
        yield changed(node, args=[*node.args[:i], fewer, *node.args[i + 1 :]])


@operator(ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Delete)
def delete_statement(node: ast.stmt, around: Around) -> Iterator[ast.AST | None]:
    """A call for its effect, or an assignment of an attribute or an item."""
    if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Call):
        return
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if isinstance(targets[0], ast.Name | ast.Tuple) or node.value is None:
            return
    yield ast.Pass()


@operator(ast.Return)
def change_return(node: ast.Return, around: Around) -> Iterator[ast.AST | None]:
    value = node.value
    if value is None or (isinstance(value, ast.Constant) and value.value is None):
        return
    yield changed(node, value=ast.Constant(None))
    if isinstance(value, ast.Call) and (argument := inner(value)) is not None:
        yield changed(node, value=argument)


@operator(ast.Raise)
def raise_nothing(node: ast.Raise, around: Around) -> Iterator[ast.AST | None]:
    yield ast.Pass()


@operator(ast.FunctionDef, ast.ClassDef)
def remove_decorator(node: ast.FunctionDef, around: Around) -> Iterator[ast.AST | None]:
    for i in range(len(node.decorator_list)):
        yield changed(node, decorator_list=without(node.decorator_list, i))


@operator(ast.With)
def remove_with(node: ast.With, around: Around) -> Iterator[ast.AST | None]:
    for i, item in enumerate(node.items):
        if item.optional_vars is None and len(node.items) > 1:
            yield changed(node, items=without(node.items, i))
        elif item.optional_vars is None:
            yield ast.If(test=ast.Constant(True), body=node.body, orelse=[])


@operator(ast.For, ast.comprehension)
def skip_first(node: ast.For | ast.comprehension, around: Around) -> Iterator[ast.AST | None]:
    """One turn of a loop fewer: a tensor without noise, a unit left out. Lazy, as the loop is."""
    rest = expression("__import__('itertools').islice(it, 1, None)", it=node.iter)
    yield changed(node, iter=rest)


@operator(ast.Break, ast.Continue)
def swap_break_continue(node: ast.stmt, around: Around) -> Iterator[ast.AST | None]:
    yield ast.Continue() if isinstance(node, ast.Break) else ast.Break()
