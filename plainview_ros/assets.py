"""The rig model: what is bolted to the rig, read from rig.yaml and never changed while running.

Everything is in the units of ``config/rig.yaml`` (SI; degrees Celsius; WGS 84 degrees).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, get_args

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from plainview_ros.documents import DocumentError, Location, Mistake, Part, load_document
from plainview_ros.ros import topics

Quantity = Literal["pressure", "temperature", "flow_rate", "viscosity"]
QUANTITIES: tuple[str, ...] = get_args(Quantity)
UNITS: dict[Quantity, str] = {"pressure": "Pa", "flow_rate": "m^3/s", "temperature": "degC", "viscosity": "Pa s"}
CameraKind = Literal["visible", "thermal"]

SCAN_ONLY: frozenset[Quantity] = frozenset({"viscosity"})
"""Quantities without a message of their own: readings come by scan frame."""


def _spelt(pattern: str, expected: str) -> AfterValidator:
    """A text that matches; a mistake says in words what was expected."""

    def check(text: str) -> str:
        if re.fullmatch(pattern, text) is None:
            raise PydanticCustomError("spelling", "{expected}", {"expected": f"expected {expected}"})
        return text

    return AfterValidator(check)


Id = Annotated[
    str,
    _spelt(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", "1 to 64 letters, digits, _ . or -, the first a letter or digit"),
]
ChannelName = Annotated[
    str, _spelt(r"[a-z][a-z0-9_]{0,63}", "1 to 64 lower-case letters, digits or _, the first a letter")
]
TopicName = Annotated[
    str,
    _spelt(
        r"/?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*",
        "a topic name: words of letters, digits and _, none beginning with a digit, with / between",
    ),
]
"""Relative to the rig's namespace, or absolute (beginning with ``/``) for a driver outside it."""
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class RigError(DocumentError):
    """A rig file that cannot be used."""


class Fluid(Part):
    name: str
    density_kg_m3: Positive
    viscosity_pa_s: Positive


class Place(Part):
    """A point on the map; elevation in metres above datum."""

    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]
    elevation_m: Finite = 0.0


class SectionEnd(Part):
    """Tags of the transmitters at one end of a section."""

    pressure: Id
    flow_rate: Id


class Section(Part):
    """A piece of the pipeline between two metered ends."""

    id: Id
    length_m: Positive
    diameter_m: Positive
    roughness_m: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    wave_speed_m_s: Positive
    start: Place
    end: Place
    inlet: SectionEnd
    outlet: SectionEnd

    @property
    def area_m2(self) -> float:
        return 3.141592653589793 * self.diameter_m**2 / 4


class Pipeline(Part):
    sections: Annotated[tuple[Section, ...], Field(min_length=1)]
    last_inspection: date | None = None
    maintenance_due: date | None = None

    @cached_property
    def starts_m(self) -> tuple[float, ...]:
        """Distance of each section's inlet from the inlet of the pipeline, and as last item the total length."""
        return (0.0, *accumulate(section.length_m for section in self.sections))

    @property
    def length_m(self) -> float:
        return self.starts_m[-1]

    def start_of(self, section_id: str) -> float:
        """Distance [m] of a section's inlet from the inlet of the pipeline."""
        return self.starts_m[[section.id for section in self.sections].index(section_id)]

    def place_at(self, position_m: float) -> Place:
        """Point on the map at a distance from the inlet, on the straight line between the ends of its section."""
        for section, start_m in zip(self.sections, self.starts_m, strict=False):
            if position_m <= start_m + section.length_m:
                break
        share = min(max((position_m - start_m) / section.length_m, 0.0), 1.0)
        a, b = section.start, section.end
        return Place(
            latitude=a.latitude + share * (b.latitude - a.latitude),
            longitude=a.longitude + share * (b.longitude - a.longitude),
            elevation_m=a.elevation_m + share * (b.elevation_m - a.elevation_m),
        )


class Joint(Part):
    """The valve's actuator as ``sensor_msgs/JointState`` names it."""

    name: Id
    closed_rad: Finite
    open_rad: Finite

    @model_validator(mode="after")
    def _moves(self) -> Joint:
        if self.closed_rad == self.open_rad:
            raise ValueError("closed_rad and open_rad must differ")
        return self

    def opening(self, position_rad: float) -> float:
        """Share of the stroke, 0 closed to 1 open, of an angle."""
        return (position_rad - self.closed_rad) / (self.open_rad - self.closed_rad)

    def angle_rad(self, opening: float) -> float:
        """Angle of a share of the stroke."""
        return self.closed_rad + opening * (self.open_rad - self.closed_rad)


class ValveThresholds(Part):
    """Limits of the first Plainview, kept as defaults."""

    temp_warning_c: Finite = 60.0
    temp_critical_c: Finite = 75.0
    pressure_warning_pa: Finite = 2_800_000.0
    pressure_critical_pa: Finite = 3_000_000.0
    torque_variance_nm: Positive = 5.0
    """Reported to clients; nothing is judged by it until valves are judged by their torque signature."""

    @model_validator(mode="after")
    def _ordered(self) -> ValveThresholds:
        if self.temp_warning_c >= self.temp_critical_c:
            raise ValueError("temp_warning_c must be below temp_critical_c")
        if self.pressure_warning_pa >= self.pressure_critical_pa:
            raise ValueError("pressure_warning_pa must be below pressure_critical_pa")
        return self


class Valve(Part):
    id: Id
    name: str
    position_m: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    joint: Joint
    pressure: Id | None = None
    temperature: Id | None = None
    stroke_time_s: Positive
    """Time of a full stroke when healthy."""
    stroke_timeout_s: Positive | None = None
    """A stroke that takes longer has failed; default three times stroke_time_s."""
    rated_torque_nm: Positive
    position_tolerance: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    position_deadline_s: Positive = 2.0
    thresholds: ValveThresholds = ValveThresholds()
    estimated_maintenance: date | None = None

    @property
    def timeout_s(self) -> float:
        return self.stroke_timeout_s or 3 * self.stroke_time_s


class FlowLine(Part):
    """A line whose flow, pressure, temperature (and viscosity) are judged together, and whatever else belongs to it."""

    id: Id
    name: str
    flow_rate: Id
    pressure: Id
    temperature: Id
    viscosity: Id | None = None
    channels: dict[ChannelName, Id] = Field(default_factory=dict)
    """What else is judged with them, of any quantity: an instrument by the name that the channel is to have."""

    @property
    def named(self) -> dict[Quantity, str]:
        """Instrument tag of each channel that is named after what it measures."""
        tags: dict[Quantity, str] = {
            "flow_rate": self.flow_rate,
            "pressure": self.pressure,
            "temperature": self.temperature,
        }
        return tags | {"viscosity": self.viscosity} if self.viscosity else tags

    @property
    def tags(self) -> dict[str, str]:
        """Instrument tag of each channel by the channel's name."""
        tags: dict[str, str] = {**self.channels}
        return dict(self.named) | tags

    @model_validator(mode="after")
    def _channels_are_others(self) -> FlowLine:
        for name, tag in self.channels.items():
            if name in QUANTITIES:
                raise ValueError(f"channels: {name!r} is the name of a channel that has its own field")
            if list(self.tags.values()).count(tag) > 1:
                raise ValueError(f"channels: {tag!r} is in the line twice")
        return self


class Camera(Part):
    id: Id
    name: str
    location: str
    topic: TopicName
    """Prefix of the image topics: ``<topic>/image_raw/compressed``, for thermal cameras ``<topic>/image_raw``."""
    kind: CameraKind = "visible"
    width: Annotated[int, Field(ge=16, le=16384)]
    height: Annotated[int, Field(ge=16, le=16384)]
    frame_rate_hz: Positive
    min_rate_hz: Positive
    deadline_s: Positive = 3.0
    """Without a frame for this long the camera is offline."""
    hot_spot_c: Finite | None = None
    """Thermal: a pixel above this is a hot spot."""
    watches: tuple[Id, ...] = ()
    """Ids of the valves and sections in view."""

    @model_validator(mode="after")
    def _thermal_has_limit(self) -> Camera:
        if (self.kind == "thermal") != (self.hot_spot_c is not None):
            raise ValueError("hot_spot_c is needed for a thermal camera and for no other")
        if self.min_rate_hz > self.frame_rate_hz:
            raise ValueError("min_rate_hz must not be above frame_rate_hz")
        return self


class Range(NamedTuple):
    low: float
    high: float


class OperatingLimits(Part):
    """What the process is to stay within, SI unit of the quantity."""

    low: Finite | None = None
    high: Finite | None = None

    @model_validator(mode="after")
    def _ordered(self) -> OperatingLimits:
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError("low must be below high")
        return self


class Instrument(Part):
    tag: Id
    quantity: Quantity
    position_m: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    side: Literal["upstream", "downstream"] | None = None
    range: Annotated[Range, Field(description="lowest and highest believable value, SI unit of the quantity")]
    accuracy: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    rate_hz: Positive = 10.0
    deadline_s: Positive = 2.0
    """An older value is stale."""
    topic: TopicName | None = None
    """For a driver that publishes this instrument alone, whatever its ``frame_id``; default: the topic of the quantity,
    where the tag is the ``frame_id``."""
    limits: OperatingLimits = OperatingLimits()
    """FlowIQ forecasts when they will be reached."""
    redundant_with: Id | None = None
    """Tag of an instrument that measures the same at the same place, whatever the valves do."""

    @model_validator(mode="after")
    def _ordered(self) -> Instrument:
        if not self.range.low < self.range.high:
            raise ValueError("range must be [low, high] with low below high")
        return self

    @property
    def sigma(self) -> float:
        """Standard deviation of a reading: the accuracy, or a thousandth of the range where none is stated."""
        return self.accuracy or 1e-3 * (self.range.high - self.range.low)


class Rig(Part):
    """All assets of one rig. Look-ups by id raise ``KeyError``."""

    name: str
    fluid: Fluid
    pipeline: Pipeline
    valves: tuple[Valve, ...] = ()
    flow_lines: tuple[FlowLine, ...] = ()
    cameras: tuple[Camera, ...] = ()
    instruments: tuple[Instrument, ...]

    @cached_property
    def instrument(self) -> dict[str, Instrument]:
        return {instrument.tag: instrument for instrument in self.instruments}

    @cached_property
    def redundant_groups(self) -> list[tuple[str, ...]]:
        """Tags of the instruments that measure the same, each group in order of the file."""
        groups: dict[str, set[str]] = {}
        for item in self.instruments:
            if item.redundant_with is not None:
                group = groups.get(item.tag, {item.tag}) | groups.get(item.redundant_with, {item.redundant_with})
                groups.update(dict.fromkeys(group, group))
        unique = {id(group): group for group in groups.values()}
        return [tuple(tag for tag in self.instrument if tag in group) for group in unique.values()]

    @cached_property
    def valve(self) -> dict[str, Valve]:
        return {valve.id: valve for valve in self.valves}

    @cached_property
    def section(self) -> dict[str, Section]:
        return {section.id: section for section in self.pipeline.sections}

    @cached_property
    def flow_line(self) -> dict[str, FlowLine]:
        return {line.id: line for line in self.flow_lines}

    @cached_property
    def camera(self) -> dict[str, Camera]:
        return {camera.id: camera for camera in self.cameras}


def load_rig(path: str | Path) -> Rig:
    """Read and check a rig file.

    Raises:
        RigError: with one line per mistake, ``file:line: path: what was expected``.
    """
    return load_document(path, Rig, _broken_references, RigError)


def _broken_references(rig: Rig) -> Iterable[Mistake]:
    """What no single part can see: ids given twice, tags that no instrument has, places off the line."""
    named: list[tuple[str, Location, str]] = [
        *(("valve", ("valves", i, "id"), valve.id) for i, valve in enumerate(rig.valves)),
        *(("section", ("pipeline", "sections", i, "id"), s.id) for i, s in enumerate(rig.pipeline.sections)),
        *(("flow line", ("flow_lines", i, "id"), line.id) for i, line in enumerate(rig.flow_lines)),
        *(("camera", ("cameras", i, "id"), camera.id) for i, camera in enumerate(rig.cameras)),
        *(("camera topic", ("cameras", i, "topic"), camera.topic) for i, camera in enumerate(rig.cameras)),
        *(("instrument", ("instruments", i, "tag"), item.tag) for i, item in enumerate(rig.instruments)),
        *(("joint", ("valves", i, "joint", "name"), valve.joint.name) for i, valve in enumerate(rig.valves)),
        *(
            ("instrument topic", ("instruments", i, "topic"), item.topic)
            for i, item in enumerate(rig.instruments)
            if item.topic is not None
        ),
    ]
    seen: set[tuple[str, str]] = set()
    for kind, location, name in named:
        if (kind, name) in seen:
            yield location, f"{kind} {name!r} is given twice"
        seen.add((kind, name))

    for i, item in enumerate(rig.instruments):
        if item.topic is not None and item.quantity in SCAN_ONLY:
            yield ("instruments", i, "topic"), f"expected no topic: {item.quantity} is received by {topics.SCAN} only"
        elif item.topic in topics.SHARED:
            yield ("instruments", i, "topic"), f"expected a topic of its own, {item.topic!r} is shared by all"
        if item.redundant_with == item.tag:
            yield ("instruments", i, "redundant_with"), f"expected another instrument than {item.tag!r} itself"

    for location, tag, quantity in _tag_uses(rig):
        instrument = rig.instrument.get(tag)
        if instrument is None:
            yield location, f"no instrument has the tag {tag!r}"
        elif quantity is not None and instrument.quantity != quantity:
            yield location, f"expected a {quantity} instrument, {tag!r} measures {instrument.quantity}"

    length_m = rig.pipeline.length_m
    positions: list[tuple[Location, float | None]] = [
        *((("valves", i, "position_m"), valve.position_m) for i, valve in enumerate(rig.valves)),
        *((("instruments", i, "position_m"), item.position_m) for i, item in enumerate(rig.instruments)),
    ]
    for location, position_m in positions:
        if position_m is not None and position_m > length_m:
            yield location, f"expected at most {length_m:g}, the length of the pipeline, found {position_m:g}"

    assets = {*rig.valve, *rig.section}
    for i, camera in enumerate(rig.cameras):
        for j, asset in enumerate(camera.watches):
            if asset not in assets:
                yield ("cameras", i, "watches", j), f"expected the id of a valve or section, found {asset!r}"


def _tag_uses(rig: Rig) -> Iterable[tuple[Location, str, Quantity | None]]:
    """Where a tag is named, and what its instrument has to measure there; ``None``: anything."""
    for i, item in enumerate(rig.instruments):
        if item.redundant_with is not None:
            yield ("instruments", i, "redundant_with"), item.redundant_with, item.quantity
    for i, section in enumerate(rig.pipeline.sections):
        ends: list[tuple[str, SectionEnd]] = [("inlet", section.inlet), ("outlet", section.outlet)]
        for name, end in ends:
            yield ("pipeline", "sections", i, name, "pressure"), end.pressure, "pressure"
            yield ("pipeline", "sections", i, name, "flow_rate"), end.flow_rate, "flow_rate"
    for i, valve in enumerate(rig.valves):
        if valve.pressure is not None:
            yield ("valves", i, "pressure"), valve.pressure, "pressure"
        if valve.temperature is not None:
            yield ("valves", i, "temperature"), valve.temperature, "temperature"
    for i, line in enumerate(rig.flow_lines):
        for quantity, tag in line.named.items():
            yield ("flow_lines", i, quantity), tag, quantity
        for name, tag in line.channels.items():
            yield ("flow_lines", i, "channels", name), tag, None
