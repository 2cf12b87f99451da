"""The processes nodes run in: one node alone, or several on threads of their own."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from plainview_ros.ros.node import ModuleNode
from plainview_ros.ros.settings import SettingsError
from plainview_ros.share import share_file

NodeFactory = Callable[[], ModuleNode]


def _start_ros(arguments: list[str] | None, signals: SignalHandlerOptions) -> None:
    """Raises :class:`SettingsError` when the command line, or a parameter file it names, cannot be used."""
    _prepare_middleware()
    try:
        rclpy.init(args=arguments, signal_handler_options=signals)
    except rclpy_implementation.RCLError as error:
        without_source_lines = re.sub(r"\s*,? at /\S+:\d+", "", str(error))
        raise SettingsError(" ".join(without_source_lines.split())) from error


def _prepare_middleware() -> None:
    """Give Fast DDS room for camera images (config/fastdds.xml says why), unless the user has profiles of their own."""
    until_jazzy, since_kilted = "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"
    if until_jazzy not in os.environ and since_kilted not in os.environ:
        old = os.environ.get("ROS_DISTRO") in {"humble", "iron", "jazzy"}
        os.environ[until_jazzy if old else since_kilted] = str(share_file("config/fastdds.xml"))


def run(factory: NodeFactory, arguments: list[str] | None = None) -> int:
    """Run one node in its own process until SIGINT, SIGTERM or :meth:`ModuleNode.finish`.

    Returns:
        The exit code: 1 when the node could not start, else the one it finished with, else 0.
    """
    node: ModuleNode | None = None
    try:
        _start_ros(arguments, SignalHandlerOptions.ALL)
        node = factory()
        if not node.start():
            return 1
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        while rclpy.ok() and node.exit_code is None:
            executor.spin_once()
        return node.exit_code or 0
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


class Spinner:
    """Spins one node on its own executor in its own thread, for processes whose main thread has other work.

    A process that ends while an executor thread spins aborts, so :meth:`stop` must be called: it ends the spinning,
    joins the thread, shuts the executor down and destroys the node. In this order: ``Executor.shutdown`` does not wait
    for a thread that spins, and takes from it what it waits on.
    """

    def __init__(self, node: ModuleNode) -> None:
        self.node = node
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        self._stopped: Future[None] = Future()
        self._thread = Thread(target=self._spin, name=f"{node.get_name()} executor")

    def start(self) -> bool:
        """Start the node and spin it; False (and no thread) when it could not start."""
        if not self.node.start():
            return False
        self._thread.start()
        return True

    def stop(self) -> None:
        """Stop spinning, wait for the callback that runs, destroy the node."""
        self._stopped.set_result(None)
        if self._thread.is_alive():
            self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()

    def _spin(self) -> None:
        with suppress(ExternalShutdownException):
            self._executor.spin_until_future_complete(self._stopped)


@contextmanager
def ros_process(arguments: list[str] | None = None) -> Iterator[None]:
    """ROS for a process whose signals somebody else handles (uvicorn); shut down at exit, after all spinners.

    Raises:
        SettingsError: when the command line, or a parameter file it names, cannot be used.
    """
    _start_ros(arguments, SignalHandlerOptions.NO)
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
