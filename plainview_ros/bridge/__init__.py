"""The web bridge: topics become REST, events and history; requests become ROS commands."""
