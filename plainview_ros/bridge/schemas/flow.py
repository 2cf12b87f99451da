"""Flow lines as the web sees them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from pydantic import ConfigDict, Field

from plainview_ros.bridge.flow_history import Channel, FlowSample, Spread
from plainview_ros.bridge.gateway import Plain
from plainview_ros.bridge.journal import Record
from plainview_ros.bridge.schemas.base import Body, Instant, Schema, Score, lpm, web_name

Severity = Literal["low", "medium", "high"]

FIELDS: Mapping[str, str] = {
    "flow_rate": "flow_rate_lpm",
    "pressure": "pressure_pa",
    "temperature": "temperature_c",
    "viscosity": "viscosity",
}
"""Field of ``Metrics`` for each channel."""


def web_unit(channel: str, unit: str = "") -> Callable[[float | None], float | None]:
    """From the channel's SI unit to the unit the web has: l/min for flow, all others stay."""
    return lpm if is_flow(channel, unit) else lambda value: value


def is_flow(channel: str, unit: str) -> bool:
    """Whether a channel is a flow rate; older messages do not tell the unit, and had one such channel."""
    return channel == "flow_rate" or unit == "m^3/s"


class Metrics(Schema):
    flow_rate_lpm: float | None = Field(description="[l/min]", examples=[3300.0])
    pressure_pa: float | None = Field(description="[Pa] gauge", examples=[1_210_000.0])
    temperature_c: float | None = Field(description="[°C]", examples=[38.4])
    viscosity: float | None = Field(description="[Pa s]", examples=[None])
    timestamp: Instant | None = Field(description="of the newest value; null while there is none")

    @classmethod
    def of(cls, sample: FlowSample) -> Metrics:
        return cls(
            flow_rate_lpm=lpm(sample.flow_rate),
            pressure_pa=sample.pressure,
            temperature_c=sample.temperature,
            viscosity=sample.viscosity,
            timestamp=sample.stamp_s,
        )


class CurrentMetrics(Metrics):
    """The newest values however old, and which of them are too old."""

    line_id: str = Field(examples=["fl-1"])
    learning: bool = Field(description="the detector has not seen enough to judge", examples=[False])
    stale: bool = Field(description="FlowIQ has been silent for too long, or was never heard", examples=[False])
    stale_values: list[str] = Field(description="values here older than their deadline", examples=[[]])

    @classmethod
    def now(cls, line_id: str, state: Plain | None, stale: bool) -> CurrentMetrics:
        channels = {item["channel"]: item for item in state["channels"]} if state else {}
        known = {name: item for name, item in channels.items() if name in FIELDS and item["stamp"] is not None}
        return cls(
            line_id=line_id,
            learning=state["learning"] if state else True,
            stale=stale,
            stale_values=[metric_name(name) for name, item in channels.items() if item["stale"]],
            timestamp=max((item["stamp"] for item in known.values()), default=None),
            **{
                field: web_unit(name)(known[name]["value"]) if name in known else None for name, field in FIELDS.items()
            },
        )


class Anomaly(Schema):
    id: str = Field(examples=["7e3c1a52-9c7e-4f0e-8f38-3a4f5b6c7d8e"])
    type: str = Field(examples=["pressure_deviation"])
    severity: Severity
    detected_at: Instant
    metrics: dict[str, float | None] = Field(description="what deviated", examples=[{"pressurePa": 1_650_000.0}])
    expected_range: Limits | None
    actual_value: float | None = Field(description="worst value, in metrics' unit", examples=[1_650_000.0])
    line_id: str = Field(examples=["fl-1"])
    open: bool = Field(description="not back in the expected range yet", examples=[True])
    score: float | None = Field(description="robust standard deviations off", examples=[9.1])
    confidence: float | None = Field(examples=[0.97])
    evidence: str = Field(examples=["PT-601 at 1.65e+06 Pa, expected 1.18e+06 Pa to 1.24e+06 Pa."])
    basis: Basis | None = Field(description="null: an older release did not tell")

    @classmethod
    def of(cls, record: Record) -> Anomaly:
        anomaly = record.latest
        convert = web_unit(anomaly["channel"], anomaly.get("unit", ""))
        low, high = convert(anomaly["expected_min"]), convert(anomaly["expected_max"])
        return cls(
            id=anomaly["anomaly_id"],
            type=anomaly["type"],
            severity=anomaly["severity"],
            detected_at=anomaly["detected_at"] or record.since_s,
            metrics={metric_name(anomaly["channel"]): convert(anomaly["value"])},
            expected_range=None if low is None or high is None else Limits(min=low, max=high),
            actual_value=convert(anomaly["value"]),
            line_id=anomaly["line_id"],
            open=anomaly["phase"] != "closed",
            score=anomaly["score"],
            confidence=anomaly["confidence"],
            evidence=anomaly["evidence"],
            basis=Basis.of(anomaly),
        )


class Contribution(Schema):
    channel: str = Field(examples=["pressure"])
    share: float | None = Field(description="of the statistic", examples=[0.81])


class Basis(Schema):
    """What the judgement rests on."""

    statistic: str = Field(description="what was compared with the threshold", examples=["level_distance"])
    value: float | None = Field(description="the worst since the anomaly opened", examples=[3.4])
    threshold: float | None = Field(examples=[1.0])
    window_s: float | None = Field(description="the time the statistic looks at [s]", examples=[60.0])
    channels: list[Contribution] = Field(description="that deviate, the largest contribution first")

    @classmethod
    def of(cls, anomaly: Plain) -> Basis | None:
        if not anomaly.get("statistic"):
            return None
        return cls(
            statistic=anomaly["statistic"],
            value=anomaly["statistic_value"],
            threshold=anomaly["threshold"],
            window_s=anomaly["window_s"],
            channels=[
                Contribution(channel=channel, share=share)
                for channel, share in zip(anomaly["channels"], anomaly["contributions"], strict=False)
            ],
        )


class Limits(Schema):
    min: float = Field(examples=[1_180_000.0])
    max: float = Field(examples=[1_240_000.0])


class Stat(Schema):
    min: float | None = Field(examples=[3100.0])
    max: float | None = Field(examples=[3420.0])
    avg: float | None = Field(examples=[3301.5])

    @classmethod
    def of(cls, spread: Spread | None, convert: Callable[[float | None], float | None] = lambda value: value) -> Stat:
        low, high, mean = spread or (None, None, None)
        return cls(min=convert(low), max=convert(high), avg=convert(mean))


class Stats(Schema):
    """In the units of Metrics; null where there is no value."""

    flow: Stat
    pressure: Stat
    temperature: Stat

    @classmethod
    def of_web(cls, spreads: Mapping[str, Spread]) -> Stats:
        """Of what has the web's units and names already."""
        fields = {"flow": "flow_rate_lpm", "pressure": "pressure_pa", "temperature": "temperature_c"}
        return cls(**{field: Stat.of(spreads.get(metric)) for field, metric in fields.items()})

    @classmethod
    def of(cls, spreads: Mapping[Channel, Spread]) -> Stats:
        return cls(
            flow=Stat.of(spreads.get("flow_rate"), lpm),
            pressure=Stat.of(spreads.get("pressure"), web_unit("pressure")),
            temperature=Stat.of(spreads.get("temperature"), web_unit("temperature")),
        )


class FlowHealth(Schema):
    timestamp: Instant
    current_metrics: CurrentMetrics
    anomaly_count: int = Field(description="in the last hour", examples=[0])
    recent_anomalies: list[Anomaly] = Field(description="the last 5 of the last hour, newest first")
    health_score: Score
    stale: bool = Field(examples=[False])


class Baseline(Schema):
    """What a flow line is compared with."""

    line_id: str = Field(examples=["fl-1"])
    state: Literal["learning", "following", "frozen"] | None = Field(
        description="null: FlowIQ was never heard", examples=["following"]
    )
    since: Instant | None = Field(description="of the operator's last action; null: none since FlowIQ's start")
    by: str | None = Field(description="whose it was", examples=["K. Berg"])
    open_anomalies: int = Field(examples=[0])
    stale: bool = Field(description="FlowIQ has been silent for too long, or was never heard", examples=[False])

    @classmethod
    def of(cls, line_id: str, state: Plain | None, stale: bool) -> Baseline:
        return cls(
            line_id=line_id,
            state=state["baseline"] if state else None,
            since=state["baseline_since"] if state else None,
            by=state["baseline_by"] or None if state else None,
            open_anomalies=len(state["open_anomalies"]) if state else 0,
            stale=stale,
        )


class BaselineRequest(Body):
    model_config = ConfigDict(extra="forbid")

    action: Literal["learn", "freeze", "resume", "reset"] = Field(examples=["learn"])
    requested_by: str = Field(default="", max_length=200, examples=["K. Berg"])
    note: str = Field(default="", max_length=500, examples=["second pump is on from today"])


class BaselineSet(Schema):
    ok: Literal[True] = True
    baseline: Baseline


class FlowMetrics(Schema):
    current: CurrentMetrics
    history: list[Metrics] = Field(description="the last 20, oldest first")
    stats: Stats = Field(description="over the last hour")


class FlowSource(Schema):
    source: Literal["mock", "ros2"] = Field(description="mock: only the simulator publishes the instruments")
    live: bool = Field(description="somebody publishes them now; false also while nobody can know", examples=[True])
    publishers: list[str] = Field(description="nodes that publish the instruments", examples=[["/simulator"]])
    stale: bool = Field(examples=[False])


class FlowStatistics(Schema):
    stats: Stats
    anomalies_count: int = Field(description="detected in this time", examples=[0])
    sample_count: int = Field(description="values of the metric that has most", examples=[3600])
    since: Instant | None = Field(description="from when on there is anything of the line; null: nothing")


class FlowRange(Schema):
    metrics: list[Metrics] = Field(description="oldest first, as they came")
    aggregation: Stats = Field(description="over the whole range, whatever part of it this page has")
    since: Instant | None = Field(description="from when on there is anything of the line; null: nothing")
    next_cursor: str | None = Field(description="`cursor` of the next page; null: this is the last", examples=[None])


class Bucket(Schema):
    min: float = Field(examples=[3100.0])
    avg: float = Field(examples=[3301.5])
    max: float = Field(examples=[3420.0])
    count: int = Field(description="values in it", examples=[60])


class SeriesPoint(Schema):
    """In the units of Metrics; null where there is no value."""

    timestamp: Instant = Field(description="beginning of the bucket")
    flow_rate_lpm: Bucket | None = None
    pressure_pa: Bucket | None = None
    temperature_c: Bucket | None = None
    viscosity: Bucket | None = None


class FlowSeries(Schema):
    line_id: str = Field(examples=["fl-1"])
    bucket_sec: float = Field(description="[s] length of each bucket", examples=[60.0])
    points: list[SeriesPoint] = Field(description="oldest first; empty buckets are left out")


class FlowExport(Schema):
    format: Literal["csv"] = "csv"
    data: str = Field(examples=["timestamp,flow_lpm,pressure_pa,temperature_c\n"])
    row_count: int = Field(examples=[0])


class ForecastPoint(Schema):
    at: Instant
    expected: float | None = Field(examples=[1_214_000.0])
    low: float | None = Field(description="nine in ten readings are from `low` to `high`", examples=[1_207_000.0])
    high: float | None = Field(examples=[1_219_000.0])


class LimitForecast(Schema):
    """When a limit of the instrument will be reached."""

    side: Literal["low", "high"]
    value: float = Field(examples=[1_000_000.0])
    expected_sec: float | None = Field(description="[s] after `madeAt`; null: not within the forecast", examples=[None])
    earliest_sec: float | None = Field(
        description="[s] by the edge of the band: with a chance of one in twenty it is earlier", examples=[3100.0]
    )


class MetricForecast(Schema):
    unit: str = Field(description="of the values", examples=["Pa"])
    tag: str = Field(examples=["PT-601"])
    made_at: Instant
    points: list[ForecastPoint]
    limits: list[LimitForecast]

    @classmethod
    def of(cls, channel: Plain) -> MetricForecast:
        name, unit, made_at = channel["channel"], channel["unit"], channel["made_at"]
        convert = web_unit(name, unit)
        courses = (channel["ahead_s"], channel["expected"], channel["low"], channel["high"])
        return cls(
            unit="l/min" if is_flow(name, unit) else unit,
            tag=channel["tag"],
            made_at=made_at,
            points=[
                ForecastPoint(at=made_at + ahead_s, expected=convert(expected), low=convert(low), high=convert(high))
                for ahead_s, expected, low, high in zip(*courses, strict=True)
            ],
            limits=[
                LimitForecast(
                    side=side,
                    value=value,
                    expected_sec=channel[f"{side}_limit_expected_s"],
                    earliest_sec=channel[f"{side}_limit_earliest_s"],
                )
                for side in SIDES
                if (value := convert(channel[f"{side}_limit"])) is not None
            ],
        )


SIDES: tuple[Literal["low", "high"], ...] = ("low", "high")


class Prediction(Schema):
    """The next hour of a flow line."""

    has_prediction: bool = Field(examples=[True])
    prediction: dict[str, MetricForecast] | None = Field(
        default=None,
        description="by metric, as in `/flow/metrics`; those that cannot be forecast are left out",
        examples=[None],
    )
    reason: str | None = Field(default=None, description="why there is none", examples=[None])
    cached: bool = Field(
        default=False, description="made when the last minute was over, not for this request", examples=[True]
    )
    anomaly_count: int = Field(description="of the last hour", examples=[0])


def metric_name(channel: str) -> str:
    """The channel as a JSON field of Metrics."""
    return web_name(Metrics, FIELDS.get(channel, channel))
