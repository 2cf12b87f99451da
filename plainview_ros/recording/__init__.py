"""Publishes a recording on the instrument topics."""
