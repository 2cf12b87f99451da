"""What Plainview costs and how fast it is, beside the least that Python can do; ``make bench``."""
