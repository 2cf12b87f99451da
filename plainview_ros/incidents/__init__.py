"""Incidents: related detections and alerts as one story with a life cycle (pure; hosted by the bridge)."""
