"""What all schemas share."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

LPM_PER_M3S = 60_000.0
LITRES_PER_M3 = 1000.0


class Schema(BaseModel):
    """Base of all schemas: Python's names inside, camelCase outside.

    How to write one is worked out at its first use: all of them would be a fifth of the time a bridge takes to start.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, defer_build=True)


class Body(Schema):
    """Base of what a request's body is read into; FastAPI wants to know at once how."""

    model_config = ConfigDict(defer_build=False)


def web_name(schema: type[Schema], field: str) -> str:
    """The JSON name of a schema's field; what is none stays as it is."""
    known = schema.model_fields.get(field)
    return field if known is None or known.alias is None else known.alias


def iso(stamp_s: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC."""
    return datetime.fromtimestamp(stamp_s, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def epoch_ms(stamp_s: float) -> int:
    return round(stamp_s * 1000)


Instant = Annotated[
    float,
    PlainSerializer(iso, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-23T14:05:00.000Z"]}),
]
"""Seconds since the epoch inside, ISO 8601 in UTC outside."""

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""In a request's body: a text or a truth value is not taken for the number it could be read as."""

Score = Annotated[int, Field(description="0..100, 100 is healthy; 0 while nobody has computed it", examples=[100])]


def lpm(flow_m3s: float | None) -> float | None:
    """Litres per minute of m³/s; unknown stays unknown."""
    return None if flow_m3s is None else flow_m3s * LPM_PER_M3S


def litres(volume_m3: float | None) -> float | None:
    """Litres of m³; unknown stays unknown."""
    return None if volume_m3 is None else volume_m3 * LITRES_PER_M3
