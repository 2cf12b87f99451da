"""RigSight: camera health and detections."""
