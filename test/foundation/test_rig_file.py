"""A broken rig file gets one line per mistake: file, line, path, what was expected."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from plainview_ros.assets import Rig, RigError, load_rig
from ros_graph import REPOSITORY

RIG_TEXT = (REPOSITORY / "config" / "rig.yaml").read_text(encoding="utf-8")

Complaint = Callable[[str], str]


@pytest.fixture
def complaint(tmp_path: Path) -> Complaint:
    """What load_rig says of a rig file, with the path of the file taken away."""

    def complain(text: str) -> str:
        path = tmp_path / "rig.yaml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(RigError) as caught:
            load_rig(path)
        lines = str(caught.value).splitlines()
        assert all(line.startswith(f"{path}:") for line in lines)
        return "\n".join(line.removeprefix(f"{path}:") for line in lines)

    return complain


def line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


def test_default_rig_is_the_one_of_the_contract(rig: Rig) -> None:
    assert [valve.id for valve in rig.valves] == ["v-101", "v-102", "v-103"]
    assert list(rig.section) == ["A-North", "B-Central", "C-South", "D-East", "E-West"]
    assert rig.pipeline.length_m == 10_000
    assert [(c.id, c.width, c.height, c.frame_rate_hz) for c in rig.cameras] == [
        ("cam-101", 1920, 1080, 30),
        ("cam-102", 1920, 1080, 30),
        ("cam-103", 1280, 720, 15),
    ]
    assert rig.valves[0].thresholds.model_dump() == {
        "temp_warning_c": 60.0,
        "temp_critical_c": 75.0,
        "pressure_warning_pa": 2.8e6,
        "pressure_critical_pa": 3.0e6,
        "torque_variance_nm": 5.0,
    }


def test_instruments_that_measure_the_same_are_one_group_however_they_are_chained(rig: Rig) -> None:
    assert rig.redundant_groups == [("PT-601", "PT-602")]
    chained = {"PT-101": "PT-401", "PT-501": "PT-401"}
    instruments = [
        item.model_copy(update={"redundant_with": chained.get(item.tag, item.redundant_with)})
        for item in rig.instruments
    ]
    groups = Rig(**rig.model_dump() | {"instruments": tuple(instruments)}).redundant_groups
    assert sorted(groups) == [("PT-101", "PT-401", "PT-501"), ("PT-601", "PT-602")]


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        (
            "redundant_with: PT-601",
            "redundant_with: PT-999",
            "instruments[9].redundant_with: no instrument has the tag 'PT-999'",
        ),
        (
            "redundant_with: PT-601",
            "redundant_with: FT-601",
            "instruments[9].redundant_with: expected a pressure instrument, 'FT-601' measures flow_rate",
        ),
        (
            "redundant_with: PT-601",
            "redundant_with: PT-602",
            "instruments[9].redundant_with: expected another instrument than 'PT-602' itself",
        ),
        (
            "rate_hz: 2, redundant_with: PT-601",
            "rate_hz: 2, limits: {low: 2.0e6, high: 1.0e6}",
            "instruments[9].limits: Value error, low must be below high",
        ),
        (
            "temperature: TT-601",
            "temperature: TT-601, channels: {pressure: PT-602}",
            "flow_lines[0]: Value error, channels: 'pressure' is the name of a channel that has its own field",
        ),
        (
            "temperature: TT-601",
            "temperature: TT-601, channels: {second_pressure: PT-601}",
            "flow_lines[0]: Value error, channels: 'PT-601' is in the line twice",
        ),
        (
            "temperature: TT-601",
            "temperature: TT-601, channels: {second_pressure: PT-999}",
            "flow_lines[0].channels.second_pressure: no instrument has the tag 'PT-999'",
        ),
        ("length_m: 2000", "length_m: -1", "pipeline.sections[0].length_m: Input should be greater than 0, found -1"),
        ("length_m: 2000", "length_m: .nan", "pipeline.sections[0].length_m: Input should be a finite number"),
        ("length_m: 2000", "length_m: far", "pipeline.sections[0].length_m: Input should be a valid number"),
        ("name: demo", "owner: me\nname: demo", "owner: Extra inputs are not permitted, found 'me'"),
        ("closed_rad: 0.0", "closed_rad: 1.5708", "valves[0].joint: Value error, closed_rad and open_rad must differ"),
        ("kind: visible", "kind: infrared", "cameras[0].kind: Input should be 'visible' or 'thermal'"),
        ("id: v-101", "id: v 101", "valves[0].id: expected 1 to 64 letters, digits, _ . or -"),
        ("latitude: 58.4410", "latitude: 91", "sections[0].start.latitude: Input should be less than or equal to 90"),
        ("topic: cam_101", "topic: cam-101", "cameras[0].topic: expected a topic name: words of letters"),
        ("2027-05-04", "someday", "pipeline.maintenance_due: Input should be a valid date"),
        (
            "    hot_spot_c: 80\n",
            "",
            "cameras[2]: Value error, hot_spot_c is needed for a thermal camera",
        ),
        ("min_rate_hz: 3", "min_rate_hz: 31", "cameras[0]: Value error, min_rate_hz must not be above frame_rate_hz"),
        (
            "range: [-1.0e5, 6.0e6]",
            "range: [6.0e6, -1.0e5]",
            "instruments[0]: Value error, range must be [low, high] with low below high",
        ),
    ],
)
def test_wrong_value_is_named_with_its_line_and_path(complaint: Complaint, good: str, bad: str, message: str) -> None:
    text = RIG_TEXT.replace(good, bad, 1)
    [said] = complaint(text).splitlines()
    at, _, rest = said.partition(": ")
    assert message in rest
    if "Value error" not in rest:  # of the part as a whole: reported where the part begins
        assert int(at) == line_of(text, bad.splitlines()[0])
    else:
        assert line_of(RIG_TEXT, good.strip()) - 12 < int(at) <= line_of(RIG_TEXT, good.strip())


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        (
            "pressure: PT-102, flow",
            "pressure: PT-9, flow",
            "sections[0].inlet.pressure: no instrument has the tag 'PT-9'",
        ),
        ("temperature: TT-101", "temperature: PT-101", "expected a temperature instrument, 'PT-101' measures pressure"),
        ("  - id: v-102", "  - id: v-101", "valves[1].id: valve 'v-101' is given twice"),
        ("joint: {name: v-102", "joint: {name: v-101", "valves[1].joint.name: joint 'v-101' is given twice"),
        ("tag: PT-201", "tag: PT-101", "instruments[2].tag: instrument 'PT-101' is given twice"),
        ("topic: cam_102", "topic: cam_101", "cameras[1].topic: camera topic 'cam_101' is given twice"),
        ("position_m: 4000", "position_m: 40000", "valves[2].position_m: expected at most 10000, the length of the"),
        ("[v-101, A-North]", "[v-101, A-Nord]", "watches[1]: expected the id of a valve or section, found 'A-Nord'"),
    ],
)
def test_broken_reference_is_named_with_its_line_and_path(
    complaint: Complaint, good: str, bad: str, message: str
) -> None:
    said = complaint(RIG_TEXT.replace(good, bad, 1))
    assert any(line.startswith(f"{line_of(RIG_TEXT, good)}: ") and message in line for line in said.splitlines()), said


@pytest.mark.parametrize(
    ("topics", "message"),
    [
        ({"PT-101": "drivers/a", "PT-201": "drivers/a"}, "instruments[2].topic: instrument topic 'drivers/a' is given"),
        ({"PT-101": "pressure"}, "instruments[0].topic: expected a topic of its own, 'pressure' is shared by all"),
        ({"PT-101": "/drivers//pt101"}, "instruments[0].topic: expected a topic name: words of letters"),
        ({"PT-101": "drivers/101"}, "none beginning with a digit, with / between, found 'drivers/101'"),
        ({"AT-101": "viscosity"}, "instruments[20].topic: expected no topic: viscosity is received by scan only"),
    ],
)
def test_topic_no_instrument_can_have_is_named(complaint: Complaint, topics: dict[str, str], message: str) -> None:
    text = RIG_TEXT + "  - {tag: AT-101, quantity: viscosity, range: [0, 1]}\n"
    for tag, topic in topics.items():
        text = text.replace(f"{{tag: {tag},", f"{{tag: {tag}, topic: {topic},")
    said = complaint(text)
    assert said.startswith(f"{line_of(text, f'tag: {tag}')}: ")
    assert message in said


def test_instrument_topic_may_lie_outside_the_namespace(tmp_path: Path) -> None:
    path = tmp_path / "rig.yaml"
    path.write_text(RIG_TEXT.replace("{tag: PT-101,", "{tag: PT-101, topic: /drivers/pt101/pressure,"))
    assert load_rig(path).instrument["PT-101"].topic == "/drivers/pt101/pressure"


def test_missing_part_is_reported_where_it_should_be(complaint: Complaint) -> None:
    text = RIG_TEXT.replace("    stroke_time_s: 12\n", "", 1)
    assert complaint(text) == f"{line_of(text, 'id: v-101')}: valves[0].stroke_time_s: Field required"


def test_every_mistake_has_its_own_line(complaint: Complaint) -> None:
    text = RIG_TEXT.replace("length_m: 2000", "length_m: 0", 2).replace("stroke_time_s: 12", "stroke_time_s: never")
    assert len(complaint(text).splitlines()) == 5


def test_limits_in_the_wrong_order_are_refused(complaint: Complaint) -> None:
    text = RIG_TEXT.replace(
        "    stroke_time_s: 12\n", "    stroke_time_s: 12\n    thresholds: {temp_warning_c: 80}\n", 1
    )
    assert complaint(text) == (
        f"{line_of(text, 'temp_warning_c')}: valves[0].thresholds: "
        "Value error, temp_warning_c must be below temp_critical_c"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a mapping"),
        ("- a\n- b\n", "expected a mapping"),
        ("just words", "expected a mapping"),
        ("name: demo\nfluid: [unclosed", "2: not valid YAML: expected ',' or ']'"),
        ("\nname: !!python/object:os.system {}", "2: not valid YAML: could not determine a constructor"),
        ("[" * 5000, "not valid YAML"),
    ],
)
def test_what_is_no_rig_at_all_is_said_so(complaint: Complaint, text: str, message: str) -> None:
    assert message in complaint(text)


def test_unreadable_files_are_said_to_be_so(tmp_path: Path) -> None:
    missing = tmp_path / "missing.yaml"
    with pytest.raises(RigError, match=r"missing\.yaml: cannot be read"):
        load_rig(missing)
    with pytest.raises(RigError, match="cannot be read"):
        load_rig(tmp_path)
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RigError, match="cannot be read"):
        load_rig(binary)


def test_point_on_the_map_follows_the_sections(rig: Rig) -> None:
    first, last = rig.pipeline.sections[0], rig.pipeline.sections[-1]
    assert rig.pipeline.place_at(0) == first.start
    assert rig.pipeline.place_at(2000) == first.end
    assert rig.pipeline.place_at(10_000) == last.end
    assert rig.pipeline.place_at(99_999) == last.end
    assert rig.pipeline.place_at(-5) == first.start
    assert rig.pipeline.place_at(1000).elevation_m == pytest.approx(8)
    assert rig.pipeline.start_of("C-South") == 4000


def test_opening_and_angle_of_a_joint_are_inverse(rig: Rig) -> None:
    joint = rig.valves[0].joint.model_copy(update={"closed_rad": 3.0, "open_rad": 1.0})
    for opening in (0.0, 0.25, 1.0):
        assert joint.opening(joint.angle_rad(opening)) == pytest.approx(opening)
    assert (joint.angle_rad(0.0), joint.angle_rad(1.0)) == (3.0, 1.0)


def test_a_key_given_twice_is_named_with_its_line(complaint: Complaint) -> None:
    text = RIG_TEXT.replace("    name: Wellhead A1\n", "    name: Wellhead A1\n    name: Wellhead A9\n")
    assert complaint(text) == f"{line_of(text, 'Wellhead A9')}: 'name' is given twice"
