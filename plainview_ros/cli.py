"""The ``plainview`` command."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from plainview_ros import __version__
from plainview_ros.assets import RigError, load_rig
from plainview_ros.share import share_file
from plainview_ros.system import ARGUMENTS, MEMBERS, Member


def up(options: argparse.Namespace) -> int:
    """Compose the whole system in this process."""
    # Here and below, ROS is imported only by the commands that need it: it is slow, and `check` runs without.
    from plainview_ros.ros.node import Spinner, ros_arguments, ros_process

    settings: dict[str, object] = {"use_sim_time": options.use_sim_time}
    settings["simulator:use_sim_time"] = False  # it is the clock and does not follow it
    settings |= {name: value for name in ("rig", "port") if (value := getattr(options, name))}
    arguments = ros_arguments(
        params=options.params or share_file("config/plainview.yaml"),
        namespace=options.namespace,
        log_level=options.log_level,
        settings=settings,
    )
    with ros_process(arguments), ExitStack() as running:
        for member in MEMBERS:
            if member.name == "bridge" or not _wanted(member, options):
                continue
            spinner = Spinner(_load(member.node)())
            running.callback(spinner.stop)
            if not spinner.start():
                return 1
        if options.bridge == "true":
            serve: Callable[[], int] = _load("plainview_ros.bridge.node:serve_node")
            return serve()
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
        return 0


def check(options: argparse.Namespace) -> int:
    """Check a rig file without a ROS graph."""
    try:
        rig = load_rig(options.file)
    except RigError as error:
        print(error, file=sys.stderr)
        return 1
    print(
        f"{options.file}: ok: rig {rig.name!r} with {len(rig.valves)} valves, {len(rig.pipeline.sections)} sections"
        f" over {rig.pipeline.length_m:g} m, {len(rig.flow_lines)} flow lines, {len(rig.cameras)} cameras,"
        f" {len(rig.instruments)} instruments"
    )
    return 0


def _wanted(member: Member, options: argparse.Namespace) -> bool:
    return member.only_if is None or getattr(options, member.only_if) == "true"


def _load(target: str) -> Any:
    module, name = target.split(":")
    return getattr(importlib.import_module(module), name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="plainview", description="Watch and operate an oil and gas site.")
    parser.add_argument("--version", action="version", version=f"plainview_ros {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    verb = verbs.add_parser("up", help="run the whole system in one process", description=up.__doc__)
    verb.set_defaults(run=up)
    for argument in ARGUMENTS:
        verb.add_argument(
            f"--{argument.name.replace('_', '-')}",
            default=argument.default,
            choices=argument.choices,
            metavar=None if argument.choices else argument.name.upper(),
            help=f"{argument.description} (default: {argument.default or 'none'})",
        )

    verb = verbs.add_parser("check", help="check a rig file", description=check.__doc__)
    verb.set_defaults(run=check)
    verb.add_argument("file", metavar="FILE", help="a rig.yaml")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; exit code."""
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    return run(options)


if __name__ == "__main__":
    sys.exit(main())
