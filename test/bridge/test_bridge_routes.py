"""The HTTP contract, against what the topics say."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

import bridge_messages as make
from bridge_fakes import FakeBridge, fake_bridge
from plainview_ros.assets import Rig
from plainview_ros.bridge import app
from plainview_ros.bridge.commands import refusal
from plainview_ros.bridge.context import Bridge
from plainview_ros.bridge.errors import BridgeError
from plainview_ros.bridge.schemas.base import iso
from plainview_ros.bridge.settings import Settings
from plainview_ros.msg import FlowAnomaly, FlowLineState, FlowState, Leak
from plainview_ros.ros import topics
from plainview_ros.ros.conversions import to_plain

NOW_S = make.NOW_S
NOW_ISO = "2026-09-21T14:13:20.000Z"


def fields(*names: str) -> set[str]:
    return set(names)


# -- core --------------------------------------------------------------------------------------------------------------


def test_root_says_what_it_is_and_sends_browsers_on(fake: FakeBridge) -> None:
    about = fake.get("/")
    assert (about["name"], about["service"]) == ("Plainview API", "core")
    browser = fake.request("GET", "/", headers={"Accept": "text/html,*/*"}, follow_redirects=False)
    assert (browser.status_code, browser.headers["location"]) == (307, "/docs")


def test_docs_need_no_network(fake: FakeBridge) -> None:
    page = fake.request("GET", "/docs").text
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert addresses
    assert all(address.startswith("/") and fake.request("GET", address).status_code == 200 for address in addresses)


def test_modules_are_those_of_the_contract_with_how_fresh_they_are(fake: FakeBridge) -> None:
    fake.say(make.valve_states(v_101={}))
    modules = {module["key"]: module for module in fake.get("/modules")}
    assert modules.keys() == fields("pipeline-guard", "rig-sight", "valve-ops", "flow-iq")
    assert modules["pipeline-guard"]["description"] == "Robot control & leak prevention"
    assert (modules["valve-ops"]["status"], modules["flow-iq"]["status"]) == ("ok", "down")


def say_all(fake: FakeBridge) -> None:
    fake.say(
        make.valve_states(v_101={}, v_102={}, v_103={}),
        make.pipeline_state(),
        make.flow_state(),
        make.camera_states(cam_101="ONLINE", cam_102="ONLINE", cam_103="ONLINE"),
    )


def test_health_is_ok_when_all_is_heard_and_degraded_by_a_complaint_that_it_names(fake: FakeBridge) -> None:
    say_all(fake)
    assert fake.get("/health")["status"] == "ok"
    fake.say(make.diagnostics("flow_iq: input", "warn", "refused: FT-601: nan"), topic=topics.DIAGNOSTICS)
    health = fake.get("/health")
    assert health["status"] == "degraded"
    assert health["checks"]["flow_iq: input"] == {"status": "degraded", "detail": "warn: refused: FT-601: nan"}


def test_health_is_down_with_503_when_ros_does_not_run(fake: FakeBridge) -> None:
    say_all(fake)
    fake.gateway.silence_s = 9.0
    response = fake.request("GET", "/health")
    assert (response.status_code, response.json()["status"]) == (503, "down")
    assert "9.0 s" in response.json()["checks"]["ros"]["detail"]


def test_background_work_that_ended_by_a_defect_is_named_in_health(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play_backwards(_: Bridge) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(app, "BACKGROUND", (play_backwards,))
    with fake_bridge(rig) as fake:
        say_all(fake)
        health = fake.get("/health")
    assert health["status"] == "degraded"
    assert health["checks"]["play_backwards"]["status"] == "degraded"
    assert "ended by a defect" in health["checks"]["play_backwards"]["detail"]
    assert "secret" not in str(health)


# -- valves ------------------------------------------------------------------------------------------------------------


def test_valves_are_listed_before_anything_was_heard_and_none_is_called_ok(fake: FakeBridge) -> None:
    valves = fake.get("/valves")
    assert [(valve["id"], valve["name"]) for valve in valves] == [
        ("v-101", "Wellhead A1"),
        ("v-102", "Manifold B2"),
        ("v-103", "Isolation C3"),
    ]
    assert {(valve["status"], valve["stale"], valve["temperature"]) for valve in valves} == {("warning", True, None)}


def test_valve_has_the_fields_and_units_of_the_contract(fake: FakeBridge) -> None:
    heard = {"last_torque_nm": 181.5, "last_actuation": make.to_stamp(NOW_S), "stale": ["temperature_c"]}
    fake.say(make.valve_states(v_101=heard))
    valve = fake.get("/valves/v-101")
    assert valve | {"name": ""} == {
        "id": "v-101",
        "name": "",
        "status": "ok",
        "lastTorqueNm": 181.5,
        "lastActuationTime": NOW_ISO,
        "temperature": 41.5,
        "pressurePa": 2.1e6,
        "estimatedMaintenance": None,
        "stale": False,
        "staleValues": ["temperature"],
        "position": 1.0,
        "torqueNm": None,
        "moving": False,
    }


def test_valve_health_has_thresholds_and_factors(fake: FakeBridge) -> None:
    heard = {"status": 1, "health_score": 80, "health_factors": ["62 degC is above 60"]}
    fake.say(make.valve_states(v_101=heard))
    health = fake.get("/valves/v-101/health")
    assert (health["valveId"], health["status"], health["healthScore"]) == ("v-101", "warning", 80)
    assert health["healthFactors"] == ["62 degC is above 60"]
    assert health["thresholds"] == {
        "tempWarning": 60,
        "tempCritical": 75,
        "pressureWarning": 2800000,
        "pressureCritical": 3000000,
        "torqueVariance": 5,
    }


def test_silent_valve_ops_is_not_believed_that_a_valve_is_ok(rig: Rig) -> None:
    with fake_bridge(rig, Settings(stale_after_s=-1.0)) as fake:
        fake.say(make.valve_states(v_101={}, v_102={"status": 2}))
        valves = {valve["id"]: (valve["status"], valve["stale"]) for valve in fake.get("/valves")}
        assert valves["v-101"] == ("warning", True)
        assert valves["v-102"] == ("offline", True)


@pytest.mark.parametrize(("position", "target"), [(1.0, 0.0), (0.6, 0.0), (0.0, 1.0), (0.4, 1.0)])
def test_actuate_without_a_body_strokes_to_the_other_end(fake: FakeBridge, position: float, target: float) -> None:
    fake.say(make.valve_states(v_101={"position": position}))
    response = fake.post("/valves/v-101/actuate")
    assert response.status_code == 200
    assert response.json() == {"ok": True, "actuationId": str(uuid.UUID(int=7))}
    assert fake.gateway.commands == [("actuate", "v-101", target, "http testclient", "")]


def test_actuate_refuses_a_misspelt_target_instead_of_stroking_the_other_way(fake: FakeBridge) -> None:
    response = fake.post("/valves/v-101/actuate", json={"target": 0.3})
    assert response.status_code == 422
    assert "target" in response.json()["detail"]
    assert fake.gateway.commands == []


def test_actuate_takes_a_target_and_a_reason_even_while_nothing_is_known(fake: FakeBridge) -> None:
    fake.post("/valves/v-102/actuate", json={"targetPosition": 0.25, "reason": "test"})
    assert fake.gateway.commands == [("actuate", "v-102", 0.25, "http testclient", "test")]


@pytest.mark.parametrize("heard", [None, {"position": float("nan")}, {"stale": ["position"]}])
def test_stale_or_unknown_position_refuses_a_stroke_to_the_other_end(fake: FakeBridge, heard: Any) -> None:
    if heard is not None:
        fake.say(make.valve_states(v_101=heard))
    response = fake.post("/valves/v-101/actuate")
    assert (response.status_code, response.json()["error"]) == (409, "no_position")
    assert fake.gateway.commands == []


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("unknown_valve", 404, "not_found"),
        ("bad_target", 422, "bad_target"),
        ("busy", 409, "busy"),
        ("no_position", 409, "no_position"),
        ("stale_feedback", 502, "stale_feedback"),
    ],
)
def test_refusal_of_valve_ops_reads_as_a_problem(fake: FakeBridge, name: str, status: int, code: str) -> None:
    fake.gateway.refusal = refusal(name, "v-101 says no")
    response = fake.post("/valves/v-101/actuate", json={"targetPosition": 0})
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (response.status_code, problem["status"], problem["error"]) == (status, status, code)
    assert (problem["ok"], problem["detail"]) == (False, "v-101 says no")


@pytest.mark.parametrize(("status", "code"), [(503, "ros_unavailable"), (504, "ros_timeout")])
def test_ros_that_is_away_or_silent_is_told(fake: FakeBridge, status: int, code: str) -> None:
    fake.gateway.refusal = BridgeError(status, code, "ValveOps did not answer")
    response = fake.post("/valves/v-101/actuate", json={"targetPosition": 0})
    assert (response.status_code, response.json()["error"]) == (status, code)


@pytest.mark.parametrize("target", [-0.1, 1.1, "NaN", "1e400", '"open"', '"0.5"', "true", "[]", "{}"])
def test_impossible_target_is_refused_naming_the_field(fake: FakeBridge, target: Any) -> None:
    headers = {"Content-Type": "application/json"}
    response = fake.post("/valves/v-101/actuate", content=f'{{"targetPosition": {target}}}', headers=headers)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "targetPosition"
    assert fake.gateway.commands == []


# -- pipeline ----------------------------------------------------------------------------------------------------------


def test_leaks_have_the_fields_and_units_of_the_contract(fake: FakeBridge) -> None:
    leak = make.leak()
    fake.say(leak, make.pipeline_state(NOW_S, leak, integrity_score=85.0))
    alerts = fake.get("/pipeline/alerts")
    assert (alerts["activeLeakCount"], alerts["criticalCount"], alerts["integrity"]) == (1, 0, 85)
    (shown,) = alerts["activeLeaks"]
    assert shown == alerts["recentHistory"][0]
    assert shown["severity"] == "major"
    assert shown["status"] == "active"
    assert shown["detectedAt"] == NOW_ISO
    assert shown["location"] == {"latitude": 58.4, "longitude": 1.72, "section": "C-South"}
    assert shown["volumeEstimate"] == pytest.approx(412.5)
    assert shown["rateLpm"] == pytest.approx(165)
    assert shown["positionM"] is None


def test_repaired_leak_moves_to_the_history(fake: FakeBridge) -> None:
    thing = uuid.uuid4()
    fake.say(make.leak("ACTIVE", thing), make.leak("REPAIRED", thing, NOW_S + 5))
    alerts = fake.get("/pipeline/alerts")
    assert alerts["activeLeaks"] == []
    assert [leak["status"] for leak in alerts["recentHistory"]] == ["repaired"]


def test_leak_lists_are_bounded_and_begin_with_the_newest(fake: FakeBridge) -> None:
    fake.say(*(make.leak(stamp_s=NOW_S - n, severity=Leak.SEVERITY_CRITICAL) for n in range(25)))
    alerts = fake.get("/pipeline/alerts")
    assert (alerts["activeLeakCount"], alerts["criticalCount"]) == (25, 25)
    assert (len(alerts["activeLeaks"]), len(alerts["recentHistory"])) == (20, 10)
    assert alerts["activeLeaks"][0]["detectedAt"] == NOW_ISO


def test_pipeline_health_has_the_pressure_profile(fake: FakeBridge) -> None:
    fake.say(make.pipeline_state(volume_lost_m3=1.5, last_inspection=make.to_stamp(NOW_S)))
    health = fake.get("/pipeline/health")
    assert (health["timestamp"], health["integrityScore"], health["activeLeaks"]) == (NOW_ISO, 100, 0)
    assert (health["estimatedVolumeLost"], health["lastInspection"]) == (1500, NOW_ISO)
    assert health["pressureProfile"] == [
        {"location": "C-South inlet", "pressurePa": 1.8e6, "tag": "PT-302", "positionM": 4000.0, "stale": False}
    ]


def test_section_has_its_own_leaks_and_what_the_guard_can_find(fake: FakeBridge) -> None:
    fake.say(make.leak(), make.leak(section="A-North"), make.pipeline_state(NOW_S - 1))
    section = fake.get("/pipeline/sections/C-South")
    assert (section["section"], section["riskLevel"], section["guard"]) == ("C-South", "low", "watching")
    assert len(section["activeLeaks"]) == 1
    assert section["lastIncident"]["location"]["section"] == "C-South"
    assert section["flowInLpm"] == pytest.approx(3300)
    assert section["flowOutLpm"] is None
    assert fake.get("/pipeline/sections/E-West")["lastIncident"] is None


def test_nobody_watching_is_not_low_risk(fake: FakeBridge) -> None:
    section = fake.get("/pipeline/sections/C-South")
    assert (section["riskLevel"], section["guard"], section["stale"]) == ("medium", None, True)


def test_resolved_leak_is_answered_and_shown_at_once(fake: FakeBridge) -> None:
    thing = uuid.uuid4()
    fake.say(make.leak("ACTIVE", thing))
    fake.gateway.leak = to_plain(make.leak("REPAIRED", thing, NOW_S + 5))
    response = fake.post(f"/pipeline/alerts/{thing}/resolve")
    assert (response.json()["ok"], response.json()["leak"]["status"]) == (True, "repaired")
    assert fake.gateway.commands == [("resolve", str(thing), "http testclient", "")]
    assert fake.get("/pipeline/alerts")["activeLeaks"] == []


def test_baseline_is_set_answered_and_shown_at_once(fake: FakeBridge) -> None:
    fake.say(make.flow_state())
    before = fake.get("/flow/lines/fl-1/baseline")
    assert (before["state"], before["since"], before["by"], before["stale"]) == ("following", None, None, False)
    (line,) = to_plain(make.flow_state(baseline=FlowLineState.BASELINE_FROZEN))["lines"]
    fake.gateway.line = line | {"baseline_since": NOW_S, "baseline_by": "K. Berg"}
    body = {"action": "freeze", "requestedBy": "K. Berg", "note": "well test"}
    answer = fake.post("/flow/lines/fl-1/baseline", json=body)
    assert fake.gateway.commands == [("baseline", "fl-1", "freeze", "K. Berg", "well test")]
    shown = fake.get("/flow/lines/fl-1/baseline")
    assert answer.json() == {"ok": True, "baseline": shown}
    assert (shown["state"], shown["since"], shown["by"]) == ("frozen", iso(NOW_S), "K. Berg")


def test_baseline_of_nobody_is_unknown(fake: FakeBridge) -> None:
    shown = fake.get("/flow/lines/fl-1/baseline")
    assert (shown["state"], shown["stale"]) == (None, True)
    assert fake.request("GET", "/flow/lines/fl-9/baseline").status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "action"),
        ({"action": "thaw"}, "action"),
        ({"action": "learn", "note": "x" * 501}, "note"),
        ({"action": "learn", "nota": "x"}, "nota"),
        (None, "body"),
    ],
)
def test_bad_wish_for_a_baseline_is_refused_by_field(fake: FakeBridge, body: Any, field: str) -> None:
    response = fake.post("/flow/lines/fl-1/baseline", json=body)
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert fake.gateway.commands == []


def test_baseline_of_an_unknown_line_is_not_asked_for(fake: FakeBridge) -> None:
    assert fake.post("/flow/lines/fl-9/baseline", json={"action": "learn"}).status_code == 404
    assert fake.gateway.commands == []


def test_resolve_says_who_and_why(fake: FakeBridge) -> None:
    thing = uuid.uuid4()
    fake.gateway.leak = to_plain(make.leak("REPAIRED", thing))
    fake.post(f"/pipeline/alerts/{thing}/resolve", json={"resolvedBy": "K. Berg", "note": "clamp"})
    assert fake.gateway.commands == [("resolve", str(thing), "K. Berg", "clamp")]


# -- flow --------------------------------------------------------------------------------------------------------------


def test_metrics_answer_before_the_first_sample(fake: FakeBridge) -> None:
    metrics = fake.get("/flow/metrics")
    assert metrics["current"]["flowRateLpm"] is None
    assert (metrics["current"]["stale"], metrics["history"]) == (True, [])
    assert metrics["stats"]["flow"] == {"min": None, "max": None, "avg": None}


def test_metrics_have_history_and_stats_in_the_units_of_the_contract(fake: FakeBridge) -> None:
    for n in range(30):
        fake.say(make.flow_state(NOW_S - 30 + n, make.channel("flow_rate", 0.05 + n * 0.001, NOW_S - 30 + n)))
    metrics = fake.get("/flow/metrics")
    assert metrics["current"]["flowRateLpm"] == pytest.approx(4740)
    assert len(metrics["history"]) == 20
    assert [m["flowRateLpm"] for m in metrics["history"]] == sorted(m["flowRateLpm"] for m in metrics["history"])
    assert metrics["stats"]["flow"] == pytest.approx({"min": 3000, "max": 4740, "avg": 3870})


def test_stale_channel_is_shown_and_named(fake: FakeBridge) -> None:
    old = make.channel("temperature", 38.0, NOW_S - 60, stale=True)
    fake.say(make.flow_state(NOW_S, make.channel("flow_rate", 0.05, NOW_S), old))
    current = fake.get("/flow/metrics")["current"]
    assert (current["temperatureC"], current["staleValues"]) == (38.0, ["temperatureC"])


def test_anomaly_has_the_fields_and_units_of_the_contract(fake: FakeBridge) -> None:
    fake.say(make.anomaly("OPENED", severity=FlowAnomaly.SEVERITY_HIGH))
    (anomaly,) = fake.get("/flow/anomalies")
    assert (anomaly["type"], anomaly["severity"], anomaly["detectedAt"]) == ("flow_rate_deviation", "high", NOW_ISO)
    assert anomaly["metrics"] == pytest.approx({"flowRateLpm": 3600})
    assert anomaly["expectedRange"] == pytest.approx({"min": 3000, "max": 3360})
    assert anomaly["actualValue"] == pytest.approx(3600)
    assert anomaly["basis"] == {
        "statistic": "level_distance",
        "value": 2.5,
        "threshold": 1.0,
        "windowS": 30.0,
        "channels": [{"channel": "flow_rate", "share": 0.9}, {"channel": "pressure", "share": 0.1}],
    }


def test_anomaly_of_a_further_flow_meter_is_told_in_the_unit_of_the_web(fake: FakeBridge) -> None:
    fake.say(make.anomaly("OPENED", channel="QGL", unit="m^3/s", type="flow_rate_deviation"))
    (anomaly,) = fake.get("/flow/anomalies")
    assert anomaly["metrics"] == pytest.approx({"QGL": 3600})


def test_anomalies_are_filtered_and_a_severity_nobody_has_is_refused(fake: FakeBridge) -> None:
    fake.say(
        make.anomaly("OPENED", severity=FlowAnomaly.SEVERITY_HIGH),
        make.anomaly("OPENED", channel="pressure", type="pressure_deviation"),
    )
    assert [a["severity"] for a in fake.get("/flow/anomalies?severity=high")] == ["high"]
    assert [a["type"] for a in fake.get("/flow/anomalies?type=pressure_deviation")] == ["pressure_deviation"]
    assert fake.get("/flow/anomalies?severity=medium") == []
    response = fake.request("GET", "/flow/anomalies?severity=terrible")
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "severity")


@pytest.mark.parametrize(("count", "high", "score"), [(0, False, 100), (3, False, 100), (4, False, 80), (4, True, 50)])
def test_flow_health_score_follows_the_rule_of_the_first_version(
    fake: FakeBridge, count: int, high: bool, score: int
) -> None:
    fake.say(make.flow_state())
    severities = [FlowAnomaly.SEVERITY_HIGH if high and n == 0 else FlowAnomaly.SEVERITY_LOW for n in range(count)]
    fake.say(*(make.anomaly("OPENED", severity=severity) for severity in severities))
    health = fake.get("/flow/health")
    assert (health["anomalyCount"], health["healthScore"]) == (count, score)
    assert len(health["recentAnomalies"]) == count
    assert health["currentMetrics"]["flowRateLpm"] == pytest.approx(3300)


@pytest.mark.parametrize(
    ("source", "told"), [(FlowState.SOURCE_SIMULATED, "mock"), (FlowState.SOURCE_REAL, "ros2"), (0, "ros2")]
)
def test_source_is_mock_only_while_the_simulator_alone_publishes(fake: FakeBridge, source: int, told: str) -> None:
    fake.say(make.flow_state(source=source, publishers=["/simulator"]))
    live = source != FlowState.SOURCE_NONE
    shown = fake.get("/flow/source")
    assert shown == {"source": told, "live": live, "publishers": ["/simulator"], "stale": False}


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/rig/detections?confidence_min=2", "confidence_min"),
    ],
)
def test_absurd_question_is_refused_naming_the_field(fake: FakeBridge, path: str, field: str) -> None:
    response = fake.request("GET", path)
    assert response.status_code == 422
    assert response.json()["detail"].startswith(f"{field}: ")


def test_prediction_is_not_pretended(fake: FakeBridge) -> None:
    silent = fake.get("/flow/prediction")
    assert (silent["hasPrediction"], silent["prediction"], silent["reason"]) == (False, None, "FlowIQ is silent")
    fake.say(make.flow_state())
    young = fake.get("/flow/prediction")
    assert (young["hasPrediction"], young["anomalyCount"]) == (False, 0)
    assert "not seen the line for long enough" in young["reason"]


def test_prediction_has_the_next_hour_of_each_metric_and_when_limits_are_reached(fake: FakeBridge) -> None:
    fake.say(make.flow_state(), make.flow_forecast(high_limit=1.25e6, high_limit_earliest_s=500.0))
    told = fake.get("/flow/prediction")
    assert (told["hasPrediction"], told["reason"], list(told["prediction"])) == (True, None, ["pressurePa"])
    pressure = told["prediction"]["pressurePa"]
    assert (pressure["unit"], pressure["tag"]) == ("Pa", "PT-601")
    assert [(point["expected"], point["low"], point["high"]) for point in pressure["points"]] == [
        (1.2e6, 1.19e6, 1.21e6),
        (1.2e6, 1.18e6, 1.22e6),
    ]
    assert pressure["limits"] == [{"side": "high", "value": 1.25e6, "expectedSec": None, "earliestSec": 500.0}]
    fake.say(make.flow_forecast(channel="flow_rate", unit="m^3/s", expected=[0.05] * 2, low_limit=0.04))
    flow = fake.get("/flow/prediction")["prediction"]["flowRateLpm"]
    assert (flow["unit"], flow["points"][0]["expected"], flow["limits"][0]["value"]) == ("l/min", 3000.0, 2400.0)


def test_unknown_flow_line_is_named(fake: FakeBridge) -> None:
    response = fake.request("GET", "/flow/metrics?lineId=fl-9")
    assert (response.status_code, response.json()["detail"]) == (404, "no flow line has the id 'fl-9'")


# -- cameras -----------------------------------------------------------------------------------------------------------


def test_cameras_are_those_of_the_rig(fake: FakeBridge) -> None:
    fake.say(make.camera_states(cam_101="ONLINE", cam_102="DEGRADED"))
    cameras = fake.get("/rig/cameras")
    assert (cameras["totalCameras"], cameras["onlineCameras"]) == (3, 1)
    first, second, third = cameras["cameras"]
    assert (first["id"], first["name"], first["location"]) == ("cam-101", "Wellhead North", "North Section")
    assert (first["status"], first["resolution"], first["frameRate"]) == ("online", "1280x720", 30)
    assert first["lastUpdate"] == NOW_ISO
    assert (second["status"], third["status"], third["lastUpdate"]) == ("degraded", "offline", None)


def test_camera_has_its_last_frame_and_detections(fake: FakeBridge) -> None:
    fake.say(make.camera_states(cam_103="ONLINE"), *(make.detection("STARTED") for _ in range(12)))
    camera = fake.get("/rig/cameras/cam-103")
    assert camera["lastFrame"] == {"url": "/rig/cameras/cam-103/snapshot.jpg", "timestamp": NOW_ISO, "anomalies": []}
    assert len(camera["recentDetections"]) == 10
    assert fake.get("/rig/cameras/cam-101")["recentDetections"] == []


def test_stream_says_where_it_plays(fake: FakeBridge) -> None:
    stream = fake.get("/rig/cameras/cam-101/stream")
    assert (stream["cameraId"], stream["streamUrl"]) == ("cam-101", "/rig/cameras/cam-101/stream.mjpg")
    assert (stream["uptime"], stream["bandwidth"], stream["status"]) == (0, 0, "offline")


def test_detections_are_filtered(fake: FakeBridge) -> None:
    fake.say(make.detection("STARTED"), make.detection("STARTED", camera_id="cam-101", type="smoke", confidence=0.5))
    everything = fake.get("/rig/detections")
    assert everything["count"] == len(everything["detections"]) == 2
    (hot,) = fake.get("/rig/detections?confidence_min=0.9")["detections"]
    assert (hot["cameraId"], hot["type"], hot["confidence"], hot["timestamp"]) == ("cam-103", "hot_spot", 0.93, NOW_ISO)
    assert hot["region"] == {"x": 0, "y": 0, "width": 60, "height": 0}
    assert fake.get("/rig/detections?cameraId=cam-101&type=smoke")["count"] == 1
    assert fake.get("/rig/detections?cameraId=cam-101&type=hot_spot")["count"] == 0


def test_rig_health_counts_cameras_and_recent_detections(fake: FakeBridge) -> None:
    fake.say(make.camera_states(cam_101="ONLINE", cam_102="DEGRADED", cam_103="OFFLINE"))
    fake.say(make.detection("STARTED", confidence=0.5), make.detection("STARTED", stamp_s=NOW_S - 4000))
    health = fake.get("/rig/health")
    assert (health["onlineCameras"], health["degradedCameras"], health["offlineCameras"]) == (1, 1, 1)
    assert (health["coverageScore"], health["recentDetectionsCount"]) == (33.3, 1)
    assert health["averageConfidence"] == 0.5


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/nothing/here",
        "/valves/v-999",
        "/valves/v-999/health",
        "/valves/%00%ff",
        "/pipeline/sections/Z",
        "/rig/cameras/cam-9",
        "/rig/cameras/cam-9/stream.mjpg",
    ],
)
def test_unknown_id_and_path_are_problems_that_old_clients_understand(fake: FakeBridge, path: str) -> None:
    response = fake.request("GET", path)
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (response.status_code, problem["status"]) == (404, 404)
    assert (problem["ok"], problem["error"]) == (False, "not_found")


def test_unknown_leak_is_not_found_whatever_its_id(fake: FakeBridge) -> None:
    response = fake.post("/pipeline/alerts/17/resolve")
    assert (response.status_code, response.json()["error"]) == (404, "not_found")


def test_wrong_method_is_a_problem(fake: FakeBridge) -> None:
    response = fake.request("DELETE", "/valves")
    assert (response.status_code, response.json()["error"]) == (405, "method_not_allowed")


def test_defect_tells_nothing_of_what_is_inside(fake: FakeBridge) -> None:
    fake.gateway.refusal = RuntimeError("secret: /etc/plainview")
    response = fake.post("/valves/v-101/actuate", json={"targetPosition": 0})
    assert (response.status_code, response.json()["error"]) == (500, "internal_error")
    assert "secret" not in response.text


@pytest.mark.parametrize("path", ["/events", "/rig/cameras/cam-101/stream.mjpg", "/rig/cameras/cam-101/snapshot.jpg"])
def test_one_stream_too_many_is_a_problem(rig: Rig, path: str) -> None:
    with fake_bridge(rig, Settings(max_event_streams=0, max_camera_viewers=0)) as fake:
        response = fake.request("GET", path)
        assert response.headers["content-type"] == "application/problem+json"
        assert (response.status_code, response.json()["error"]) == (503, "too_many_streams")
        assert response.headers["retry-after"] == "10"


@pytest.mark.parametrize("length", ["announced", "chunked"])
def test_huge_body_is_refused(fake: FakeBridge, length: str) -> None:
    body = b'{"reason": "' + b"x" * 1_100_000 + b'"}'

    async def pieces() -> AsyncIterator[bytes]:
        yield body[:600_000]
        yield body[600_000:]

    content = body if length == "announced" else pieces()
    headers = {"Content-Type": "application/json"}
    response = fake.post("/valves/v-101/actuate", content=content, headers=headers)
    assert (response.status_code, response.json()["error"]) == (413, "body_too_large")


MALFORMED = {
    "no JSON": b"{not json",
    "cut off": b'{"a": ',
    "not UTF-8": b'{"a": "\xff\xfe"}',
    "an array": b"[1, 2]",
    "a number": b"7",
    "a string": b'"text"',
    "too deep": b"[" * 100_000,
}


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_body_is_refused_at_every_route_that_takes_one(fake: FakeBridge, what: str) -> None:
    operations = [
        (method, path)
        for path, methods in fake.app.openapi()["paths"].items()
        for method, operation in methods.items()
        if "requestBody" in operation
    ]
    assert ("post", "/valves/{valve_id}/actuate") in operations
    for method, path in operations:
        url = path.format_map(AnyId(valve_id="v-101"))
        headers = {"Content-Type": "application/json"}
        response = fake.request(method, url, content=MALFORMED[what], headers=headers)
        assert 400 <= response.status_code < 500, f"{method} {path}: {response.status_code} {response.text}"
        assert response.json()["ok"] is False
        assert response.json()["detail"]


class AnyId(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return str(uuid.UUID(int=1))


def test_every_route_is_documented_with_its_answer_and_its_problems(fake: FakeBridge) -> None:
    openapi = fake.get("/openapi.json")
    for path, operations in openapi["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                if status[0] in "45" and (path, status) != ("/health", "503"):
                    assert list(response["content"]) == ["application/problem+json"], f"{method} {path} {status}"
                assert status in ("304", "307") or all(body["schema"] for body in response["content"].values()), (
                    f"{method} {path}"
                )


def test_every_field_has_an_example_or_says_what_it_can_be(fake: FakeBridge) -> None:
    schemas = fake.get("/openapi.json")["components"]["schemas"]
    bare = [
        f"{name}.{field}"
        for name, schema in schemas.items()
        if "const" not in schema.get("properties", {}).get("type", {})  # of events there are whole frames
        for field, value in schema.get("properties", {}).items()
        if not speaks(value)
    ]
    assert bare == []


def speaks(schema: Any) -> bool:
    """Whether a reader, or the page that shows the API, knows a value of it."""
    if {"examples", "enum", "const", "$ref"} & schema.keys() or schema.get("default") is not None:
        return True
    if schema.get("type") in {"boolean", "null"}:
        return True
    parts = schema.get("anyOf") or ([schema["items"]] if schema.get("type") == "array" else [])
    return bool(parts) and all(map(speaks, parts))


def test_every_type_of_event_is_documented_with_an_example_frame(fake: FakeBridge) -> None:
    openapi = fake.get("/openapi.json")
    content = openapi["paths"]["/events"]["get"]["responses"]["200"]["content"]["text/event-stream"]
    models = content["schema"]["discriminator"]["mapping"]
    assert models.keys() == content["examples"].keys()
    assert models.keys() >= CONTRACT.keys()
    for event_type, reference in models.items():
        schema = openapi["components"]["schemas"][reference.rpartition("/")[2]]
        (data,) = re.findall(r"^data: (.*)$", content["examples"][event_type]["value"], re.MULTILINE)
        told = json.loads(data)
        assert told["type"] == event_type
        assert set(schema["required"]) - {"type"} <= told.keys() <= schema["properties"].keys()
        assert CONTRACT.get(event_type, set()) <= told.keys()


CONTRACT = {
    "telemetry.tick": fields("at"),
    "valve.actuation.requested": fields("valveId", "requestedAt"),
    "valve.actuation.completed": fields("valveId", "torqueNm", "completedAt"),
    "alert.created": fields("severity", "message", "timestamp", "moduleKey", "valveId"),
    "alert.acknowledged": fields("timestamp", "leakId"),
    "leak.alert": fields("assetId", "severity", "at"),
    "anomaly.detected": fields("assetId", "anomalyType", "confidence", "at"),
    "flow.metrics.updated": fields("metrics"),
    "detection.made": fields("sourceId", "detectionType", "confidence", "timestamp"),
    "incident.created": fields("incidentId", "severity", "timestamp"),
    "incident.updated": fields("incidentId", "severity", "timestamp"),
    "mission.started": fields("missionId", "at", "missionName", "status"),
    "mission.updated": fields("missionId", "at"),
    "mission.completed": fields("missionId", "at", "missionName", "duration", "status"),
    "device.status": fields("deviceId", "status", "at"),
    "ros2.telemetry": fields("nodeId", "topic", "data", "at"),
    "ros2.node.discovered": fields("nodeId", "nodeType", "at"),
    "ros2.node.offline": fields("nodeId", "at"),
}
"""The event table of the HTTP contract; an alert names its asset in one of several fields."""


def test_getting_changes_nothing(fake: FakeBridge) -> None:
    say_all(fake)
    paths = ["/valves", "/pipeline/alerts", "/flow/metrics", "/flow/anomalies", "/rig/cameras", "/rig/detections"]
    before = [fake.get(path) for path in paths]
    end = fake.bridge.log.end
    assert [fake.get(path) for path in paths] == before
    assert fake.bridge.log.end == end


def test_metrics_are_what_prometheus_reads(fake: FakeBridge) -> None:
    fake.say(make.detection("STARTED"))
    fake.next_event("detection.made")
    response = fake.request("GET", "/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    families = {family.name: family for family in text_string_to_metric_families(response.text)}
    counted = {sample.labels["type"]: sample.value for sample in families["plainview_events"].samples}
    assert counted["detection.made"] == 1, counted
    for name in ("plainview_stream_clients", "plainview_stream_behind", "plainview_log_bytes", "process_cpu_seconds"):
        assert families[name].samples, name


def test_who_follows_is_told_when_the_web_side_hung_for_too_long(fake: FakeBridge) -> None:
    fake.say(make.detection("STARTED"))
    fake.next_event("detection.made")
    before = fake.bridge.log.newest_id
    fake.in_loop(fake.gateway.on_loss, 7)
    fake.say(make.detection("STARTED"))
    gap = fake.next_event("stream.gap")
    assert (gap["lost"], gap["missingAfter"], gap["missingUntil"]) == (7, str(before), None)
    assert fake.next_event("detection.made")
