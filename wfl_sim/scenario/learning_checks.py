"""Cross-checks of what is learned, sent and aggregated.

Every function takes the parts that it compares and raises a `LocatedError` with the key to blame.
"""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Final, get_args

from wfl_sim.codecs.codec import CODECS, Codec
from wfl_sim.config.answers import AnswerError
from wfl_sim.config.errors import LocatedError, located
from wfl_sim.data.examples import Padding
from wfl_sim.data.sharding import Data
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.synthetic import Synthetic
from wfl_sim.methods.ditto import Ditto
from wfl_sim.methods.method import (
    METHODS,
    Method,
    SplitModel,
    check_members,
    is_weighted_mean,
    needs,
)
from wfl_sim.methods.objectives import DPO, Alignment, Rewards
from wfl_sim.methods.server import AggregationConfig
from wfl_sim.network.carriers.backhaul_graph import BackhaulGraph
from wfl_sim.rounds import Asynchronous, Centralised, Deadline, Hierarchical, OverTheAir, Tiers
from wfl_sim.rounds.policy import Rounds
from wfl_sim.rounds.selection import Oort
from wfl_sim.scenario.devices import DeviceGroup

_ROBUST: Final = ("server", "robust")


def check_model(model: Any, data: Data | None, method: Method) -> None:
    """Refuse a pretrained model without data or lengths, and reward models that do not exist.

    So is a split network whose cut is not given, or has no one size.
    """
    if data is None and not isinstance(model, Synthetic):
        raise LocatedError("is missing: a pretrained model learns from data", "data")
    tokens: Any = 1 if data is None else data.tokens
    if isinstance(tokens, bool) or not isinstance(tokens, Integral) or tokens < 1:
        with located("data"):
            raise AnswerError.of(data, "tokens", "a whole number of at least 1", tokens)
    if (padding := getattr(data, "padding", "fixed")) not in get_args(Padding):
        with located("data"):
            raise AnswerError.of(data, "padding", f"one of {get_args(Padding)}", padding)
    if isinstance(method, SplitModel):
        _check_cut(model, padding, METHODS.name_of(method))
    rewards = getattr(method, "rewards", None)
    if isinstance(rewards, Rewards):
        for name in rewards.models:
            try:
                Pretrained(pretrained=name)
            except (ValueError, OSError) as error:
                raise LocatedError(str(error), "method", "rewards") from None


def _check_cut(model: Any, padding: str, name: str) -> None:
    if padding != "fixed":
        message = f"must be fixed for {name}: what crosses the cut has one size in every step"
        raise LocatedError(message, "data", "padding")
    if isinstance(model, Synthetic) and model.cut is None:
        raise LocatedError(f"is missing: {name} sends activations in every step", "model", "cut")


def check_aggregation(
    method: Method, server: AggregationConfig, upload: Codec, download: Codec
) -> None:
    """Refuse what would do nothing, or harm, to the aggregate or to the model of a device."""
    check_members(method)
    server.check(method)
    if needs(method, "lossless_downloads") and not getattr(download, "lossless", False):
        raise LocatedError(
            f"must be lossless for {METHODS.name_of(method)}, such as fp32, and "
            f"{CODECS.name_of(download)} is not: devices merge what they get, and must come to "
            "the weights of the server",
            "payload",
            "download",
        )
    if needs(method, "whole_uploads") and getattr(upload, "relative", False):
        raise LocatedError(
            f"must encode states for {METHODS.name_of(method)}, and {CODECS.name_of(upload)} "
            "encodes changes: what is sent is no change of what was received",
            "payload",
            "upload",
        )
    why = getattr(method, "no_error_feedback", "")
    if why and getattr(upload, "feedback", False):
        raise LocatedError(
            f"must be without error feedback for {METHODS.name_of(method)} (error_feedback: "
            f"false), since what is lost does not belong to the next upload: {why}",
            "payload",
            "upload",
        )


def check_ranks(method: Method, groups: Sequence[DeviceGroup]) -> None:
    """Refuse a rank of a group where no part of the method has ranks that differ by device."""
    for number, group in enumerate(groups):
        if group.rank is not None and not any(part.by_device for part in method.parts):
            message = f"no part of {METHODS.name_of(method)} has a rank that differs by device"
            raise LocatedError(message, "devices", number, "rank")


def _check_central(method: Method) -> None:
    """Refuse what a server that trains alone has nobody for."""
    for part in method.parts:
        if not (part.shared or part.known):
            name = METHODS.name_of(method)
            message = f"needs a method without private parts; {name} has {part.name!r}"
            raise LocatedError(message, "rounds", "kind")
    if isinstance(method, Ditto):
        message = "needs a method of one model; ditto trains a personal one, too: give fedit"
        raise LocatedError(message, "rounds", "kind")
    if any(each.weight is None for each in _earns(method)):
        message = "must be a number in centralised training, which is nobody's preference"
        raise LocatedError(message, "method", "weight")


def _earns(method: Method) -> list[Alignment]:
    """Return the objectives of a method that learn from rewards."""
    objectives = [phase.objective for phase in method.phases]
    aligning = [each for each in objectives if isinstance(each, Alignment)]
    return [each for each in aligning if not isinstance(each.algorithm, DPO)]


def check_rounds(
    rounds: Rounds,
    devices: int,
    method: Method,
    backhaul: BackhaulGraph | None,
    *,
    robust: bool = False,
) -> None:
    """Refuse a round policy that does not go with the method, server or the wired network."""
    if robust and isinstance(rounds, OverTheAir):
        raise LocatedError("needs each upload, and over the air only their sum arrives", *_ROBUST)
    if isinstance(rounds, Centralised):
        _check_central(method)
    if isinstance(getattr(rounds, "select", None), Oort) and _earns(method):
        message = (
            f"must not be oort for {METHODS.label(method)}, which learns from rewards: its steps "
            "minimise numbers below 0, and oort weighs devices by a loss"
        )
        raise LocatedError(message, "rounds", "select")
    rounds.check(devices)
    late = isinstance(rounds, Deadline) and rounds.late == "fold"
    if needs(method, "common_rounds") and (late or isinstance(rounds, Asynchronous | Tiers)):
        raise LocatedError(
            f"must not let rounds overlap for {METHODS.name_of(method)}: a device knows by the "
            "number of the round whether its upload is in the aggregate",
            "rounds",
            "late" if late else "kind",
        )
    alone = isinstance(rounds, Asynchronous) and rounds.buffer == 1
    if alone and not is_weighted_mean(method) and any(part.shared for part in method.parts):
        raise LocatedError(
            f"must be at least 2 for {METHODS.name_of(method)}: it combines the uploads of several "
            "devices, and would replace the state of all by that of one",
            "rounds",
            "buffer",
        )
    if not isinstance(rounds, Hierarchical):
        return
    if backhaul is None or not backhaul.edge_servers:
        raise LocatedError(
            "hierarchical needs edge servers: add `edge_servers` to `backhaul`", "rounds"
        )
    if robust:
        raise LocatedError("needs uploads of devices, not averages of edge servers", *_ROBUST)
    if isinstance(method, SplitModel):
        raise LocatedError(
            "must not split the network: edge servers hold no upper part; choose another", "method"
        )
    if not is_weighted_mean(method):
        raise LocatedError("must average, for edge servers do: choose another", "method")
