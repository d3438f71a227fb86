"""Installs the top-level folders as sub-packages of one import package, `radpriv`."""

from setuptools import find_packages, setup

FOLDERS = ("benchmark", "attacks", "baselines", "reports")

setup(
    packages=[
        "radpriv",
        *(f"radpriv.{p}" for f in FOLDERS for p in find_packages(include=[f, f"{f}.*"])),
    ],
    package_dir={"radpriv": "src/radpriv", **{f"radpriv.{f}": f for f in FOLDERS}},
)
