"""What is read from tables and bags, and what is said of broken ones."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from mcap.writer import CompressionType, Writer

from plainview_ros.recording.readers import Entry, RecordingError, Schema, open_recording


def decode(data: bytes) -> list[tuple[str, float]]:
    """A message of this test is one float."""
    return [("PT-1", struct.unpack("<d", data)[0])]


SCHEMAS = {"test/msg/Pressure": Schema("pressure", decode)}

WriteCsv = Callable[[str], Path]


@pytest.fixture
def table(tmp_path: Path) -> WriteCsv:
    def write(text: str) -> Path:
        path = tmp_path / "run.csv"
        path.write_bytes(text.encode())
        return path

    return write


def write_bag(path: Path, values: Iterable[float], schema: str = "test/msg/Pressure", *, index: bool = True) -> Path:
    with path.open("wb") as file:
        writer = Writer(
            file, compression=CompressionType.ZSTD, use_chunking=index, chunk_size=200, use_summary_offsets=index
        )
        writer.start(profile="ros2", library="test")
        schema_id = writer.register_schema(schema, "ros2msg", b"float64 data")
        channel_id = writer.register_channel("/p", "cdr", schema_id)
        for second, value in enumerate(values):
            stamp = second * 1_000_000_000
            writer.add_message(channel_id, log_time=stamp, data=struct.pack("<d", value), publish_time=stamp)
        writer.finish()
    return path


def test_table_gives_its_values_in_order(table: WriteCsv) -> None:
    recording = open_recording(table("time_s,Pressure,Flow\n10.5,1,2\n11.5,3,4\n"), {})
    assert dict(recording.sources) == {"Pressure": None, "Flow": None}
    assert list(recording.entries()) == [
        Entry(10.5, "Pressure", "Pressure", 1.0),
        Entry(10.5, "Flow", "Flow", 2.0),
        Entry(11.5, "Pressure", "Pressure", 3.0),
        Entry(11.5, "Flow", "Flow", 4.0),
    ]
    assert [entry.value for entry in recording.entries(["Flow"])] == [2.0, 4.0], "it can be read again, and in part"


def test_empty_cell_is_no_reading(table: WriteCsv) -> None:
    entries = open_recording(table("time_s,P,Q\n0,,1\n1,nan,\n"), {}).entries()
    assert [math.isnan(entry.value) for entry in entries] == [True, False, True, True]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("datetime;P\n2020-03-09 10:14:33;1\n2020-03-09 10:14:35;2\n", [1583748873.0, 1583748875.0]),
        ("timestamp\tP\n2020-03-09T10:14:33.5Z\t1\n", [1583748873.5]),
        ("\ufefftimestamp,P\r\n2020-03-09T11:14:33+01:00,1\r\n", [1583748873.0]),
        ("time,P\n1e3,1\n\n1001,1\n", [1000.0, 1001.0]),
    ],
)
def test_time_may_be_seconds_or_iso_8601_and_columns_separated_variously(
    table: WriteCsv, text: str, seconds: list[float]
) -> None:
    assert [entry.time_s for entry in open_recording(table(text), {}).entries()] == seconds


def test_columns_nobody_asked_for_may_hold_anything(table: WriteCsv) -> None:
    recording = open_recording(table('time_s,P,note\n0,1,"start, slowly"\n'), {})
    assert len(list(recording.entries(["P"]))) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"run\.csv:1: expected a column time_s or .* found nothing"),
        ("a,b\n1,2\n", r"run\.csv:1: expected a column time_s or .* found 'a', 'b'"),
        ("time_s,P,P\n", r"run\.csv:1: column 'P' is given twice"),
        ("time_s,P\n0,1\n1\n", r"run\.csv:3: expected 2 cells, found 1"),
        ("time_s,P\n0,1\nsoon,2\n", r"run\.csv:3: expected seconds or an ISO 8601 time, found 'soon'"),
        ("time_s,P\nnan,1\n", r"run\.csv:2: expected seconds or an ISO 8601 time, found 'nan'"),
        ("time_s,P\n0,high\n", r"run\.csv:2: P: expected a number, found 'high'"),
        ("time_s,P\n5,1\n4,1\n", r"run\.csv:3: time 4 is before that of the row above"),
        ("time_s,P\n0,\x001\n", r"run\.csv"),
    ],
)
def test_broken_table_is_told_its_line(table: WriteCsv, text: str, message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        list(open_recording(table(text), {}).entries())


def test_table_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_bytes(b"time_s,P\n0,\xff\xfe\n")
    with pytest.raises(RecordingError, match=r"run\.csv: cannot be read"):
        list(open_recording(path, {}).entries())


@pytest.mark.parametrize(
    ("name", "message"),
    [("none.csv", "no such file"), ("run.txt", r"expected a \.csv or \.mcap file"), (".", r"found 0$")],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "run.txt").touch()
    with pytest.raises(RecordingError, match=message):
        open_recording(tmp_path / name, {})


def test_bag_gives_the_messages_of_known_types(tmp_path: Path) -> None:
    write_bag(tmp_path / "bag.mcap", [1.0, 2.0])
    for path in (tmp_path, tmp_path / "bag.mcap"):
        recording = open_recording(path, SCHEMAS)
        assert dict(recording.sources) == {"/p": "pressure"}
        assert list(recording.entries()) == [Entry(0.0, "/p", "PT-1", 1.0), Entry(1.0, "/p", "PT-1", 2.0)]
    assert list(recording.entries(["/q"])) == []


def test_bag_without_instruments_names_its_topics(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no topic of an instrument; it has /p"):
        open_recording(write_bag(tmp_path / "bag.mcap", [1.0], "test/msg/Other"), SCHEMAS)


def test_bag_without_index_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="has no index; `mcap recover`"):
        open_recording(write_bag(tmp_path / "bag.mcap", [1.0], index=False), SCHEMAS)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_truncated_bag_is_refused(tmp_path: Path, share: float) -> None:
    path = write_bag(tmp_path / "bag.mcap", [float(i) for i in range(200)])
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(RecordingError, match=r"bag\.mcap: "):
        open_recording(path, SCHEMAS)


def test_damage_anywhere_in_a_bag_is_told_and_never_makes_up_values(tmp_path: Path) -> None:
    """Bytes are flipped in turn. What MCAP's library does not notice, in the index, can only leave chunks out."""
    path = write_bag(tmp_path / "bag.mcap", [float(i) for i in range(40)])
    content = path.read_bytes()
    written = {entry.value for entry in open_recording(path, SCHEMAS).entries()}
    complaints = []
    for position in range(0, len(content), 3):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        read: set[float] = set()
        try:
            read.update(entry.value for entry in open_recording(path, SCHEMAS).entries())
        except RecordingError as error:
            complaints.append(str(error))
        assert read <= written
    assert len(complaints) > 100
    assert all(complaint.startswith(str(path)) for complaint in complaints)
