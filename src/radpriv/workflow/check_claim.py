"""A method replayed on neighbouring data: behind `radpriv check`."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from radpriv.request import parse_parameter


def check(
    method: str,
    units: list[str],
    epsilons: list[float],
    parameters: list[str],
    encoder: str,
    console: Console,
    debug: bool = False,
) -> list[Any]:
    """A report for the method, or for each that a plug-in file registers."""
    from radpriv.benchmark.conformance.check_method import check_method
    from radpriv.benchmark.datasets.base import build
    from radpriv.benchmark.methods.method import methods

    names = methods.load_file(method) if method.endswith(".py") else [method]
    values = dict(parse_parameter(text, "--set") for text in parameters)
    reports = []
    for name in names:
        instance = build(methods.get(name), values, f"method '{name}'", "parameter")
        with console.status(f"replaying {name}") as status:

            def show(v: Any, name: str = name, status: Any = status) -> None:
                status.update(f"replaying {name}: {v.unit}, ε = {v.epsilon:g}, {v.check} done")

            reports.append(
                check_method(name, instance, tuple(units), tuple(epsilons), encoder, show, debug)
            )
    return reports
