"""The simulated plant: hydraulics, actuators, transmitters and cameras on the instrument topics."""
