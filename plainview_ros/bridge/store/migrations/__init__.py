"""How the tables became what they are, one file a step; :mod:`plainview_ros.bridge.store.migrate` runs them."""
