"""``python -m wfl_sim``."""

from wfl_sim.cli import main

if __name__ == "__main__":
    main()
