"""Build entry for pip and CMake; what the package is stands in setup.cfg.

``pip install .`` in an environment with ROS also builds the interfaces, by the same CMakeLists.txt that colcon uses,
and puts them, the launch file and the configuration where a ROS prefix has them. Without ROS it installs the Python
code alone and says so.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

from setuptools import Command, Distribution, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent

LAUNCHER = """#!{python}
import sys

from {module} import {function}

sys.exit({function}())
"""


class Launchers(Command):
    """Write one executable per console entry point (``setup.py launchers --to DIR``, called by CMakeLists.txt)."""

    description = "write the console entry points as executables for ros2 run"
    user_options: ClassVar[list[tuple[str, str | None, str]]] = [("to=", None, "folder to write to")]

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


def ros_prefixes() -> list[Path]:
    """ROS prefixes that can generate interfaces: sourced ones and, with ROS from wheels, this environment."""
    candidates = [*filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)), sys.prefix]
    found = [Path(path) for path in candidates if Path(path, "share", "rosidl_default_generators").is_dir()]
    return list(dict.fromkeys(found))


class BuildWithInterfaces(build_py):
    """Adds what CMake installs beside the Python code: generated modules to it, the rest to the data files."""

    def run(self) -> None:
        super().run()
        prefixes = ros_prefixes()
        if not prefixes:
            self.warn(
                "no ROS found: the messages are not built; source a workspace in which colcon built plainview_ros"
            )
            return
        # An editable or plain build below the source tree, so that a second one is quick.
        build = Path(self.get_finalized_command("build").build_temp).resolve() / "interfaces"
        stage = build / "stage"
        path = os.pathsep.join(map(str, prefixes))
        environment = os.environ | {"AMENT_PREFIX_PATH": path, "CMAKE_PREFIX_PATH": path}
        if "PIP_BUILD_TRACKER" in environment:
            # pip hides the environment's packages from its build; the generators are among them.
            environment.pop("PYTHONPATH", None)
        python = f"-DPython3_EXECUTABLE={sys.executable}"
        for command in (
            ["cmake", "-S", str(HERE), "-B", str(build), f"-DCMAKE_INSTALL_PREFIX={stage}", python],
            ["cmake", "--build", str(build), "--parallel"],
            ["cmake", "--install", str(build)],
        ):
            subprocess.run(command, check=True, env=environment)
        package = next(stage.glob("lib/python*/*-packages/plainview_ros"))
        for kind in ("msg", "srv", "action"):
            self.copy_tree(str(package / kind), str(Path(self.build_lib, "plainview_ros", kind)))
        for library in package.glob("*.so"):
            self.copy_file(str(library), str(Path(self.build_lib, "plainview_ros", library.name)))
        data: dict[str, list[str]] = {}
        for file in [*stage.glob("lib/*.so"), *stage.glob("lib/plainview_ros/*"), *stage.glob("share/**/*")]:
            if file.is_file():
                data.setdefault(str(file.parent.relative_to(stage)), []).append(os.path.relpath(file, HERE))
        self.distribution.data_files = list(data.items())


class MaybeBinary(Distribution):
    """The wheel belongs to one platform when it holds compiled interfaces."""

    def has_ext_modules(self) -> bool:
        return bool(ros_prefixes())


setup(cmdclass={"launchers": Launchers, "build_py": BuildWithInterfaces}, distclass=MaybeBinary)
