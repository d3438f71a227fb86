"""matplotlib as it comes, whatever the user's settings: equal results give equal bytes.

    with own_settings():
        figure = Figure(); ...; figure.savefig(...)

A matplotlibrc, a style or a backend is the user's taste in figures of their own; it must neither
change these nor stop them.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from radpriv.errors import ReportError

_OF_THE_SESSION = ("backend", "interactive", "toolbar", "timezone")
"""Settings that stay the user's: no figure here depends on them, and to set some has effects."""


@contextmanager
def own_settings() -> Iterator[None]:
    """Sets matplotlib's defaults inside the block, and what was set before after it. Also a
    decorator.

    Raises:
        ReportError: matplotlib cannot be imported, whatever the environment says.
    """
    import_matplotlib()
    import matplotlib

    own = {k: v for k, v in matplotlib.rcParamsDefault.items() if _is_own(k)}
    with matplotlib.rc_context(own):
        yield


def _is_own(key: str) -> bool:
    return not key.startswith(_OF_THE_SESSION)


def import_matplotlib() -> None:
    """Also where MPLBACKEND names a backend that is not installed, as it does in the commands of a
    notebook, or MATPLOTLIBRC a file that cannot be read."""
    try:
        import matplotlib
    except ImportError:
        raise
    except Exception:
        for name in [n for n in sys.modules if n.partition(".")[0] == "matplotlib"]:
            del sys.modules[name]  # what the failure left half made
        with _environment({"MPLBACKEND": "agg", "MATPLOTLIBRC": _shipped_settings()}):
            try:
                import matplotlib  # noqa: F401
            except Exception as error:
                raise ReportError(
                    f"matplotlib cannot be imported ({type(error).__name__}); it reads a file "
                    "'matplotlibrc' in this folder: mend that, or work in another folder"
                ) from error


def _shipped_settings() -> str:
    spec = importlib.util.find_spec("matplotlib")
    origin = spec.origin if spec is not None else None
    return str(Path(origin or "").parent / "mpl-data" / "matplotlibrc")


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {key: os.environ.get(key) for key in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value
