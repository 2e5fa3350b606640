"""Imported first by the process whose forks are workers.

Among the million objects of torch and transformers, searches for cycles take a second while they
are imported.
"""

import gc

gc.set_threshold(10_000)
