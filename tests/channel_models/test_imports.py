"""The library stands alone, and quickly."""

import inspect
import json
import subprocess
import sys

import channel_models

BUDGET = 1.8  # times what numpy and scipy take, on whatever host
FORBIDDEN = {"simpy", "torch", "pydantic", "wfl_sim", "transformers", "networkx", "matplotlib"}

SCRIPT = """
import json, sys, time
start = time.process_time()
import numpy, scipy
between = time.process_time()
import channel_models
spent = (time.process_time() - between) / (between - start)
print(json.dumps([spent, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def test_import_is_light() -> None:
    spent, modules = json.loads(
        subprocess.run(
            [sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True
        ).stdout
    )
    assert not FORBIDDEN & set(modules)
    assert spent < BUDGET


def test_exports_are_sorted_and_exist() -> None:
    names = channel_models.__all__
    constants = [n for n in names if n.isupper()]
    classes = [n for n in names if not n.isupper() and n[0].isupper()]
    functions = [n for n in names if n[0].islower()]
    assert names == sorted(constants) + sorted(classes) + sorted(functions)
    assert all(hasattr(channel_models, name) for name in names)
    objects = [getattr(channel_models, name) for name in classes + functions]
    assert all(o.__doc__ for o in objects if inspect.isclass(o) or inspect.isfunction(o))
