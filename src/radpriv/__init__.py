"""radpriv: what privacy costs, and what it buys, for models of radiology reports.

The folders `benchmark`, `baselines`, `attacks` and `reports` are sub-packages; none is imported
here, so `import radpriv` stays instant.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("radpriv")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
