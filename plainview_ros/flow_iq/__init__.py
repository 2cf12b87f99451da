"""FlowIQ: statistics and anomalies of flow lines."""
