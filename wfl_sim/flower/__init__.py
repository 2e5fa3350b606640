"""Flower apps on the simulated clock: their messages cross the cells of a scenario.

    run = wfl_sim.flower.run_app("my-app", "cell.yaml")

flwr is needed (extra `flower`). An app is not changed: its ServerApp gets a grid whose messages
take as long as the network and the processors of the devices need.
"""

from wfl_sim.flower.app import run_app

__all__ = ["run_app"]
