"""The entry point `radpriv`: one sentence and status 2 for what the user can mend."""

from __future__ import annotations

import os
import sys

from radpriv.cli.app import app
from radpriv.errors import RadprivError
from radpriv.interrupt import ctrl_c, print_interrupted, status
from radpriv.reports.render.characters import one_line
from radpriv.terminal import err, replace_unencodable, styled

ENVIRONMENT = {
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
}
"""What libraries read when they are first imported, which no verb does before this is set."""


def main() -> None:
    """Entry point: one sentence and status 2 for what the user can mend; --debug for more."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    replace_unencodable()
    with ctrl_c():
        try:
            app(standalone_mode=True)
        except RadprivError as error:
            if "--debug" in sys.argv:
                raise
            err.print(styled(("radpriv: ", "red"), one_line(str(error))), soft_wrap=True)
            sys.exit(2)
        except KeyboardInterrupt:
            print_interrupted(err, "finished cells are kept, run again to go on")
            sys.exit(status())
