"""The entry point: the version, and libraries that keep their progress bars to themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radpriv import __version__
from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.cli.main import ENVIRONMENT

Radpriv = Callable[..., Any]

LOADS = """
import sys
from pathlib import Path
if sys.argv[1] == "after radpriv":
    from radpriv.cli.main import main
    sys.argv[1:] = ["--version"]
    try:
        main()
    except SystemExit:
        pass
from huggingface_hub.utils import are_progress_bars_disabled
from transformers import AutoModel
AutoModel.from_pretrained({folder!r})
print(are_progress_bars_disabled())
"""


def test_version_is_one_line(radpriv: Radpriv) -> None:
    """`radpriv --version`, on stdout."""
    done = radpriv("--version")
    assert (done.code, done.out, done.err) == (0, f"radpriv {__version__}\n", "")


@pytest.mark.parametrize("when", ["after radpriv", "without radpriv"])
def test_libraries_show_no_bars(tiny_bert: Encoder, when: str, tmp_path: Path) -> None:
    """Weights are loaded in silence once the entry point ran; without it a bar would be seen."""
    environment = {name: v for name, v in os.environ.items() if name not in ENVIRONMENT}
    ended = subprocess.run(
        [sys.executable, "-c", LOADS.format(folder=str(tiny_bert.folder)), when],
        env={**environment, "HF_HUB_OFFLINE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    silent = when == "after radpriv"
    assert ended.stdout.splitlines()[-1] == str(silent)
    assert ("Loading weights" in ended.stderr) is not silent
