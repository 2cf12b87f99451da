"""Every topic, service and action name, once. All are relative: a namespace moves the whole rig."""

from __future__ import annotations

# Instruments: drivers, gateways, the simulator or a recording publish, the modules read.
PRESSURE = "pressure"
TEMPERATURE = "temperature"
FLOW_RATE = "flow_rate"
SCAN = "scan"
JOINT_STATES = "joint_states"

SHARED = frozenset({PRESSURE, TEMPERATURE, FLOW_RATE, SCAN, JOINT_STATES})
"""Carry many instruments: none may claim one of these as its own."""

# Snapshots: latched, one message holds everything.
VALVES_STATE = "valves/state"
PIPELINE_STATE = "pipeline/state"
FLOW_STATE = "flow/state"
FLOW_FORECAST = "flow/forecast"
CAMERAS_STATE = "cameras/state"

# Events: one message per transition.
VALVE_ACTUATIONS = "valves/actuations"
PIPELINE_LEAKS = "pipeline/leaks"
FLOW_ANOMALIES = "flow/anomalies"
DETECTIONS = "detections"
ALERTS = "alerts"

# Commands.
ACTUATE_VALVE = "valves/actuate"
RESOLVE_LEAK = "pipeline/resolve_leak"
SET_BASELINE = "flow/set_baseline"
VALVE_TRAJECTORY = "valve_controller/joint_trajectory"

# The simulated plant.
INJECT_FAULT = "simulator/inject_fault"
CLEAR_FAULT = "simulator/clear_fault"

# Global by convention (REP-107, use_sim_time).
DIAGNOSTICS = "/diagnostics"
CLOCK = "/clock"


def image(camera_topic: str) -> str:
    """Raw images of a camera; thermal ones are 16UC1."""
    return f"{camera_topic}/image_raw"


def compressed_image(camera_topic: str) -> str:
    """JPEG or PNG images of a camera."""
    return f"{camera_topic}/image_raw/compressed"


def annotated_image(camera_topic: str) -> str:
    """JPEG images with detections drawn in, published by RigSight while somebody subscribes."""
    return f"{camera_topic}/image_annotated/compressed"
