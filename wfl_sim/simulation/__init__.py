"""From a scenario to a run folder: build, run, sweep."""
