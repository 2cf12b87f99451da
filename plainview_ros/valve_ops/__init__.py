"""ValveOps: actuation and health of valves."""
