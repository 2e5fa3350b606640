"""Random scenarios, right and wrong: `python -m tests.fuzz` runs as many as it is told."""
