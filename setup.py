"""Installs the top-level folders as sub-packages of one import package, `radpriv`."""

from shutil import rmtree

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

FOLDERS = ("benchmark", "attacks", "baselines", "reports")


class FreshBuild(build_py):
    """Empties build/lib first: a module deleted from the tree must not live on in the wheel."""

    def run(self) -> None:
        if not self.editable_mode:
            rmtree(self.build_lib, ignore_errors=True)
        super().run()


setup(
    packages=[
        *find_packages("src"),
        *(f"radpriv.{p}" for f in FOLDERS for p in find_packages(include=[f, f"{f}.*"])),
    ],
    package_dir={"radpriv": "src/radpriv", **{f"radpriv.{f}": f for f in FOLDERS}},
    cmdclass={"build_py": FreshBuild},
)
