"""Errors with a sentence for the user: what is wrong, where, and what to do.

The command line prints that one sentence and exits with status 2; `--debug` shows the traceback.
"""

import traceback
from pathlib import Path


class RadprivError(Exception):
    """Anything the user can mend."""


class SuiteError(RadprivError):
    """A suite file, a cell or a budget that makes no sense."""


class UnknownNameError(RadprivError):
    """A name that no registry knows."""


class PluginError(RadprivError):
    """A plug-in file that cannot be loaded."""


class DataError(RadprivError):
    """A data file that is absent, damaged or not what it claims to be."""


class EncoderError(RadprivError):
    """An encoder that is absent, or not the one that was pinned."""


class PrivacyError(RadprivError):
    """A rule of the waist that was about to be broken."""


class DoorError(PrivacyError, AttributeError):
    """An attribute that neither `train` nor `run` of a method's `fit` has."""


class StoreError(RadprivError):
    """A result that is absent, damaged or cannot be written."""


class AttackError(RadprivError):
    """An attack that cannot run, or whose answer is malformed."""


class ReportError(RadprivError):
    """Results that must not share one table."""


class CellFailed(RadprivError):
    """A run that ended without a result; its reason is kept under store/attempts/."""


class NotReproduced(CellFailed):
    """A run that went on after a stop computed something else; it begins anew, with a new key."""


def kind_and_place(error: BaseException) -> str:
    """What may be kept of a foreign exception: its text may quote a record, so it stays out."""
    theirs = [
        (frame, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__")
        != "radpriv.benchmark.plugin_guard"  # stands in for os._exit
    ]
    place = f" at {Path(theirs[-1][0].f_code.co_filename).name}:{theirs[-1][1]}" if theirs else ""
    return f"{type(error).__name__}{place}"
