"""The processes nodes run in: one node alone, or several on threads of their own."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.signals import SignalHandlerOptions

from plainview_ros.ros.node import ModuleNode
from plainview_ros.ros.settings import SettingsError
from plainview_ros.share import share_file

NodeFactory = Callable[[], ModuleNode]


def _start_ros(arguments: list[str] | None) -> None:
    """Raises :class:`SettingsError` when the command line, or a parameter file it names, cannot be used."""
    _prepare_middleware()
    try:
        rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    except rclpy_implementation.RCLError as error:
        without_source_lines = re.sub(r"\s*,? at /\S+:\d+", "", str(error))
        raise SettingsError(" ".join(without_source_lines.split())) from error


def _prepare_middleware() -> None:
    """Give Fast DDS room for camera images (config/fastdds.xml says why), unless the user has profiles of their own."""
    until_jazzy, since_kilted = "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"
    if until_jazzy not in os.environ and since_kilted not in os.environ:
        old = os.environ.get("ROS_DISTRO") in {"humble", "iron", "jazzy"}
        os.environ[until_jazzy if old else since_kilted] = str(share_file("config/fastdds.xml"))


def told_to_end() -> Event:
    """An event that SIGINT and SIGTERM set from now on, however often they come; main thread only.

    rclpy's own handlers are not used: they take the context from under whatever runs at that moment, and a second
    Ctrl-C (or launch's, after the terminal's) would cut the taking down short.
    """
    event = Event()

    def tell(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Python's own ending would put back what kills
        event.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, tell)
    return event


def run(factory: NodeFactory, arguments: list[str] | None = None) -> int:
    """Run one node in its own process until SIGINT, SIGTERM or :meth:`ModuleNode.finish`.

    Returns:
        The exit code: 1 when the node could not start or its executor failed, else the one it finished with, else 0.
    """
    end = told_to_end()
    try:
        with ros_process(arguments):
            spinner = Spinner(factory(), on_end=end.set)
            try:
                if not spinner.start():
                    return 1
                end.wait()
            finally:
                exit_code = spinner.stop()
            return exit_code
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1


class Spinner:
    """Spins one node on its own executor in its own thread, for processes whose main thread has other work.

    A process that ends while an executor thread spins aborts, so :meth:`stop` must be called: it ends the spinning,
    joins the thread, shuts the executor down and destroys the node. In this order: ``Executor.shutdown`` does not wait
    for a thread that spins, and takes from it what it waits on.
    """

    def __init__(self, node: ModuleNode, on_end: Callable[[], object] = lambda: None) -> None:
        self.node = node
        self._on_end = on_end
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        self._thread = Thread(target=self._spin, name=f"{node.get_name()} executor")

    def start(self) -> bool:
        """Start the node and spin it; False (and no thread) when it could not start."""
        if not self.node.start():
            return False
        self._thread.start()
        return True

    def stop(self) -> int:
        """Stop spinning, wait for the callback that runs, destroy the node.

        Returns:
            The exit code the node finished with; 1 when its executor failed (the log says how).
        """
        failed = self._thread.ident is not None and not self._thread.is_alive() and not self.node.ended.done()
        if not self.node.ended.done():
            self.node.ended.set_result(int(failed))
        if self._thread.is_alive():
            self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()
        return self.node.ended.result() or 0

    def _spin(self) -> None:
        """On the thread, until the node has ended; also when its executor fails, somebody must hear of it."""
        try:
            self._executor.spin_until_future_complete(self.node.ended)
        finally:
            self._on_end()


@contextmanager
def ros_process(arguments: list[str] | None = None) -> Iterator[None]:
    """ROS for this process, without its signal handlers; shut down at exit, after all spinners.

    Raises:
        SettingsError: when the command line, or a parameter file it names, cannot be used.
    """
    _start_ros(arguments)
    try:
        yield
    finally:
        rclpy.try_shutdown()


def ros_arguments(
    *,
    params: str | Path | None = None,
    namespace: str = "",
    log_level: str = "",
    settings: dict[str, object] | None = None,
) -> list[str]:
    """Command line that gives the nodes of this process a parameter file, a namespace, a log level and settings."""
    arguments = ["--ros-args"]
    if params:
        arguments += ["--params-file", str(params)]
    if namespace:
        arguments += ["-r", f"__ns:=/{namespace.strip('/')}"]
    if log_level:
        arguments += ["--log-level", log_level]
    for name, value in (settings or {}).items():
        arguments += ["-p", f"{name}:={value}"]
    return arguments
