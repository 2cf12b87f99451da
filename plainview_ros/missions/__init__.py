"""Missions: replays and scenarios with a life cycle (pure; hosted by the bridge)."""
