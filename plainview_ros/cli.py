"""The ``plainview`` command."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from plainview_ros import __version__
from plainview_ros.assets import load_rig
from plainview_ros.bridge.store import database_command
from plainview_ros.share import share_file
from plainview_ros.system import ARGUMENTS, MEMBERS


def up(options: argparse.Namespace) -> int:
    """Compose the whole system in this process."""
    # Here and below, ROS is imported only by the commands that need it: it is slow, and `check` runs without.
    from plainview_ros.ros.process import Spinner, ros_arguments, ros_process, told_to_end

    settings: dict[str, object] = {"use_sim_time": options.use_sim_time}
    settings["simulator:use_sim_time"] = False  # it is the clock and does not follow it
    settings |= {name: value for name in ("rig", "port") if (value := getattr(options, name))}
    arguments = ros_arguments(
        params=options.params or share_file("config/plainview.yaml"),
        namespace=options.namespace,
        log_level=options.log_level,
        settings=settings,
    )
    end = told_to_end()
    with ros_process(arguments), ExitStack() as running:
        for member in MEMBERS:
            if member.name == "bridge" or not member.is_wanted(vars(options)):
                continue
            spinner = Spinner(_load(member.node)())
            running.callback(spinner.stop)
            if not spinner.start():
                return 1
        if options.bridge == "true" and not end.is_set():
            serve: Callable[[], int] = _load("plainview_ros.bridge.start:serve_node")
            return serve()
        end.wait()
        return 0


def check(options: argparse.Namespace) -> int:
    """Check a rig file without a ROS graph."""
    rig = load_rig(options.file)
    print(
        f"{options.file}: ok: rig {rig.name!r} with {len(rig.valves)} valves, {len(rig.pipeline.sections)} sections"
        f" over {rig.pipeline.length_m:g} m, {len(rig.flow_lines)} flow lines, {len(rig.cameras)} cameras,"
        f" {len(rig.instruments)} instruments"
    )
    return 0


def replay(options: argparse.Namespace) -> int:
    """Publish a recording (CSV file or MCAP bag) on the instrument topics."""
    from plainview_ros.recording.node import replay as play
    from plainview_ros.ros.process import ros_arguments

    arguments = ros_arguments(namespace=options.namespace, settings={"rig": options.rig} if options.rig else None)
    return play(
        options.file,
        options.map,
        rate=options.rate,
        loop=options.loop,
        publish_clock=options.publish_clock,
        arguments=arguments,
    )


def faults(options: argparse.Namespace) -> int:
    """List the faults that can be injected into the simulated plant, and their targets on this rig."""
    from plainview_ros.simulator.faults import FAULT_KINDS

    rig = load_rig(options.rig or share_file("config/rig.yaml"))
    for name, kind in FAULT_KINDS.items():
        print(f"{name}\n  magnitude: {kind.magnitude}\n  {kind.target}: {', '.join(kind.targets(rig))}")
    return 0


def inject(options: argparse.Namespace) -> int:
    """Make the running simulated plant misbehave."""
    from plainview_ros.ros.process import ros_arguments
    from plainview_ros.simulator.faults import Fault
    from plainview_ros.simulator.node import inject as send

    times = {name: getattr(options, name) for name in ("position_m", "onset_s", "ramp_s", "duration_s")}
    fault = Fault(options.kind, options.target, options.magnitude, **times)
    print(f"injected {send(fault, ros_arguments(namespace=options.namespace))}")
    return 0


def clear(options: argparse.Namespace) -> int:
    """End injected faults."""
    from plainview_ros.ros.process import ros_arguments
    from plainview_ros.simulator.node import clear as send

    print(f"cleared {send(options.fault, ros_arguments(namespace=options.namespace))}")
    return 0


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

    verb = verbs.add_parser("replay", help="publish a recording", description=replay.__doc__)
    verb.set_defaults(run=replay)
    verb.add_argument("file", metavar="FILE", help="a CSV file or an MCAP bag")
    verb.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="COLUMN=TAG[*SCALE][+OFFSET]",
        help="which column or topic of the recording is which instrument, in which unit; repeat for each",
    )
    verb.add_argument("--rate", type=float, default=1.0, help="multiple of the recorded pace (default: 1)")
    verb.add_argument("--loop", action="store_true", help="begin again at the end")
    verb.add_argument("--publish-clock", action="store_true", help="keep the recorded intervals and publish /clock")
    verb.add_argument("--rig", default="", help="rig file (default: the installed one)")
    verb.add_argument("--namespace", default="", help="namespace of the instrument topics")

    verb = verbs.add_parser("faults", help="list what can be injected", description=faults.__doc__)
    verb.set_defaults(run=faults)
    verb.add_argument("--rig", default="", help="rig file (default: the installed one)")

    verb = verbs.add_parser("inject", help="make the simulated plant misbehave", description=inject.__doc__)
    verb.set_defaults(run=inject)
    verb.add_argument("kind", metavar="KIND", help="as `plainview faults` lists them")
    verb.add_argument("target", metavar="TARGET", help="section, valve, instrument or camera")
    verb.add_argument("magnitude", metavar="MAGNITUDE", nargs="?", type=float, default=0.0)
    verb.add_argument("--position-m", type=float, help="leak: from the inlet of the section (default: its middle)")
    verb.add_argument("--onset-s", type=float, default=0.0, help="from now until it begins")
    verb.add_argument("--ramp-s", type=float, default=0.0, help="from beginning to full size")
    verb.add_argument("--duration-s", type=float, default=0.0, help="until it goes by itself (default: until cleared)")
    verb.add_argument("--namespace", default="", help="namespace of the simulator")

    verb = verbs.add_parser("clear", help="end injected faults", description=clear.__doc__)
    verb.set_defaults(run=clear)
    verb.add_argument("fault", metavar="FAULT", nargs="?", default="", help="id of one (default: all)")
    verb.add_argument("--namespace", default="", help="namespace of the simulator")

    database_command.add_to(verbs)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; exit code."""
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except (OSError, ValueError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
