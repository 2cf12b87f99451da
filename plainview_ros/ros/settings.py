"""What a node can be set to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor


class SettingsError(ValueError):
    """A parameter, or the file or command line that sets it, cannot be used; the message is one line that says why."""


@dataclass(frozen=True)
class Setting:
    """A ROS parameter: ``ros2 param describe`` shows description, unit and bounds."""

    name: str
    default: Any
    description: str
    low: float | None = None
    high: float | None = None
    live: bool = False
    """Whether it may be changed while the node runs, see ``ModuleNode.on_settings``."""

    def descriptor(self) -> ParameterDescriptor:
        descriptor = ParameterDescriptor(description=self.description)
        if self.low is not None and self.high is not None:
            if isinstance(self.default, float):
                descriptor.floating_point_range = [FloatingPointRange(from_value=self.low, to_value=self.high)]
            else:
                descriptor.integer_range = [IntegerRange(from_value=int(self.low), to_value=int(self.high), step=1)]
        return descriptor
