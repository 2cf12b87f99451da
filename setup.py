"""Build entry for pip and CMake; what is built stands in setup.cfg."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

from setuptools import Command, setup

LAUNCHER = """#!{python}
import sys

from {module} import {function}

sys.exit({function}())
"""


class Launchers(Command):
    """Write one executable per console entry point (`setup.py launchers DIR`, called by CMakeLists.txt)."""

    description = "write the console entry points as executables for ros2 run"
    user_options = (("to=", None, "folder to write to"),)

    def initialize_options(self) -> None:
        self.to = ""

    def finalize_options(self) -> None:
        if not self.to:
            raise SystemExit("setup.py launchers needs --to FOLDER")

    def run(self) -> None:
        folder = Path(self.to)
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        for line in self.distribution.entry_points["console_scripts"]:
            name, target = (part.strip() for part in line.split("="))
            module, function = target.split(":")
            launcher = folder / name
            launcher.write_text(LAUNCHER.format(python=sys.executable, module=module, function=function))
            launcher.chmod(launcher.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


setup(cmdclass={"launchers": Launchers})
