"""Plainview: ROS 2 nodes that judge an oil and gas site's instruments, and a web bridge to them."""

from pkgutil import extend_path

# The generated modules (plainview_ros.msg, .srv, .action) exist only where colcon has built. Run from the source
# tree, Python finds our code here and those in the sourced workspace; installed, both lie in one folder.
__path__ = extend_path(__path__, __name__)

__version__ = "0.1.0"
