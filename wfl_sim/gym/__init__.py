"""Rounds of a scenario as an environment of Gymnasium: an agent decides, a round goes by.

    env = wfl_sim.gym.RoundsEnv("scenario.yaml", act="frequency")

gymnasium is needed (extra `gym`).
"""

from wfl_sim.gym.rounds_env import RoundsEnv

__all__ = ["RoundsEnv"]
