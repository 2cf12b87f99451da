"""The only ROS plumbing that nodes share."""
