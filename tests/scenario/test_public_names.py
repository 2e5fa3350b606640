"""The names that plug-ins and scripts may use, and the registries that scenarios know."""

import importlib
import inspect
import re
import sys

import pytest

import wfl_sim
from tools.import_graph import module_files
from wfl_sim import protocols
from wfl_sim.config.contracts import members
from wfl_sim.config.registry import Registry
from wfl_sim.scenario.builtin_kinds import FAMILIES

DOCUMENTED = {
    "Algorithm",
    "Allocator",
    "Antenna",
    "Area",
    "Availability",
    "Batches",
    "BlockAllocator",
    "Choosy",
    "Codec",
    "Data",
    "Demands",
    "Exchange",
    "Executor",
    "From",
    "Governor",
    "GroupLearner",
    "Head",
    "Jitter",
    "Layout",
    "Learner",
    "LoRA",
    "Local",
    "LocatedError",
    "Loss",
    "Method",
    "Mobility",
    "Optimizer",
    "Outlook",
    "Part",
    "Partition",
    "Phase",
    "PowerAllocator",
    "Pretrained",
    "RandomSelection",
    "Rounds",
    "Selector",
    "Session",
    "Staleness",
    "Station",
    "TransportRate",
    "Workload",
    "weighted_mean",
}


def test_what_a_contract_gives_and_takes_is_public():
    """A plug-in is written from `wfl_sim.protocols` and `channel_models` alone."""
    own = {
        name
        for file in module_files().values()
        for name in re.findall(r"^class (\w+)", file.read_text(), re.M)
    }
    contracts = [each.contract for each in FAMILIES if each.contract.__module__[:3] == "wfl"]
    used = set()
    for contract in (*contracts, protocols.Hooks, protocols.Session):
        for name in members(contract):
            member = inspect.getattr_static(contract, name, None)
            function = member.fget if isinstance(member, property) else member
            if function is not None:
                used |= set(
                    re.findall(r"(?<!simpy\.)\b\w+", str(inspect.get_annotations(function)))
                )
    assert {"Demands", "Federation", "Shards", "Track"} <= used
    assert used & own <= set(protocols.__all__)
    assert {each.__name__ for each in contracts} <= set(protocols.__all__)


def test_every_registry_is_a_family_of_scenarios():
    declaring = [
        importlib.import_module(module)
        for module, file in module_files().items()
        if "] = Registry(" in file.read_text(encoding="utf-8")
    ]
    found = {
        id(value)
        for module in declaring
        for value in vars(module).values()
        if isinstance(value, Registry)
    }
    assert found == {id(registry) for registry in FAMILIES}
    assert len({registry.family for registry in FAMILIES}) == len(FAMILIES)


def test_the_documented_names_are_those_of_the_facade():
    assert set(protocols.__all__) >= DOCUMENTED
    for name in protocols.__all__:
        assert getattr(protocols, name) is not None


def test_every_registry_is_reached_from_the_package():
    names = [name for name in protocols.__all__ if name.isupper()]
    assert {id(getattr(wfl_sim, name)) for name in names} == {id(each) for each in FAMILIES}
    with pytest.raises(AttributeError, match="has no attribute 'NOTHING'"):
        _ = wfl_sim.NOTHING


@pytest.mark.parametrize("name", wfl_sim.__all__)
def test_the_package_has_what_it_lists(name):
    assert getattr(wfl_sim, name) is not None


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("wfl_sim.registry", ["From", "LocatedError", "Registry", "KindError", "did_you_mean"]),
        ("wfl_sim.selection", ["RandomSelection", "Everyone", "FedCS", "Oort", "TiFL"]),
    ],
)
def test_former_modules_warn_and_have_their_names(module, names):
    sys.modules.pop(module, None)
    with pytest.warns(DeprecationWarning, match=f"^{module} is deprecated"):
        former = importlib.import_module(module)
    assert all(hasattr(former, name) for name in names)
