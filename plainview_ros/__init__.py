"""Plainview: ROS 2 nodes that judge an oil and gas site's instruments, and a web bridge to them."""

import os
from pkgutil import extend_path

# Before numpy is imported: the matrices here are small, and threads that share one cost more than they save (a leak's
# judgement took ten times as long on two cores).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# The generated modules (plainview_ros.msg, .srv, .action) exist only where colcon has built. Run from the source
# tree, Python finds our code here and those in the sourced workspace; installed, both lie in one folder.
__path__ = extend_path(__path__, __name__)

__version__ = "0.1.0"
