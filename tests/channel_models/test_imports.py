"""The library stands alone, and quickly."""

import inspect
import json
import subprocess
import sys

import channel_models

SCRIPT = """
import json, sys
import numpy, scipy
before = {*sys.modules}
import channel_models
print(json.dumps(sorted({*sys.modules} - before - {*sys.stdlib_module_names})))
"""


def test_import_is_light() -> None:
    """Of scipy nothing is loaded before it is used."""
    printed = subprocess.run(
        [sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True
    ).stdout
    packages = {name.partition(".")[0] for name in json.loads(printed)}
    shared = {name for name in packages if name.startswith("_cython")}  # by extensions of numpy
    assert packages - shared == {"channel_models", "numpy"}


def test_exports_are_sorted_and_exist() -> None:
    names = channel_models.__all__
    constants = [n for n in names if n.isupper()]
    classes = [n for n in names if not n.isupper() and n[0].isupper()]
    functions = [n for n in names if n[0].islower()]
    assert names == sorted(constants) + sorted(classes) + sorted(functions)
    assert all(hasattr(channel_models, name) for name in names)
    objects = [getattr(channel_models, name) for name in classes + functions]
    assert all(o.__doc__ for o in objects if inspect.isclass(o) or inspect.isfunction(o))
