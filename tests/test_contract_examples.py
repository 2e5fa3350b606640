"""Every contract for plug-ins shows a toy example, and the examples run."""

import doctest
import importlib

import pytest

from tools.import_graph import module_files
from wfl_sim.scenario.builtin_kinds import FAMILIES

WITH_EXAMPLES = [
    module for module, file in module_files().items() if ">>> " in file.read_text(encoding="utf-8")
]


def test_every_contract_shows_one():
    contracts = [each.contract for each in FAMILIES if each.contract is not object]
    assert [each.__name__ for each in contracts if ">>> " not in (each.__doc__ or "")] == []


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_the_examples_of_a_module_run(module):
    result = doctest.testmod(importlib.import_module(module), optionflags=doctest.ELLIPSIS)
    assert result.attempted > 0
    assert result.failed == 0
