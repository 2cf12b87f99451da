"""How well the detectors do on records nobody here made: ``make bench-detectors`` writes RESULTS.md beside this."""
