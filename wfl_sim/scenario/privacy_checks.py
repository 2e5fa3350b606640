"""What protects updates, against rounds, codecs and methods that would undo it."""

from typing import Any

from wfl_sim.codecs.codec import CODECS, Codec
from wfl_sim.config.errors import LocatedError
from wfl_sim.methods.method import METHODS, Method, SplitModel, is_weighted_mean
from wfl_sim.methods.privacy import Privacy
from wfl_sim.methods.server import AggregationConfig
from wfl_sim.rounds import (
    Asynchronous,
    Centralised,
    Deadline,
    Hierarchical,
    OverTheAir,
    Synchronous,
)
from wfl_sim.rounds.policy import Rounds
from wfl_sim.rounds.selection.selector import SELECTORS, RandomSelection


def check_privacy(
    privacy: Privacy, method: Method, server: AggregationConfig, upload: Codec, rounds: Rounds
) -> None:
    """Refuse protection that does nothing, and noise whose epsilon no theorem tells."""
    name = METHODS.name_of(method)
    if isinstance(rounds, Centralised):
        raise LocatedError("is for updates that are sent, and centralised sends none", "privacy")
    if not is_weighted_mean(method):
        message = f"needs a method that averages uploads, which {name} does not"
        raise LocatedError(message, "privacy")
    if isinstance(method, SplitModel):
        message = f"protects updates, and {name} sends activations and labels in every step"
        raise LocatedError(message, "privacy")
    sums = privacy.secure_aggregation or (privacy.noise_multiplier and privacy.noise != "local")
    if sums and server.robust is not None:
        message = "needs each upload, and secure aggregation or distributed noise shows a sum alone"
        raise LocatedError(message, "server", "robust")
    if privacy.secure_aggregation and isinstance(rounds, OverTheAir):
        message = "has nothing to mask over the air, where values are sent as amplitudes in one sum"
        raise LocatedError(message, "privacy", "secure_aggregation")
    if privacy.noise_multiplier and isinstance(rounds, OverTheAir):
        message = (
            "must be 0 over the air: devices scale there by their examples, and noise is "
            "calibrated to equal weights"
        )
        raise LocatedError(message, "privacy", "noise_multiplier")
    if sums and isinstance(rounds, Hierarchical) and not rounds.clients:
        message = (
            "must be given: each edge server has cohorts of its own, and their size sets masks and "
            "shares of the noise"
        )
        raise LocatedError(message, "rounds", "clients")
    if privacy.secure_aggregation and _mixes_rounds(rounds):
        message = "masks cancel in the sum of one cohort, and here uploads of several rounds meet"
        raise LocatedError(message, "privacy", "secure_aggregation")
    if privacy.secure_aggregation and not getattr(upload, "additive", False):
        raise _not_additive(upload, "secure_aggregation", "masked payloads cannot be added")
    if privacy.noise_multiplier:
        _check_noise(privacy, server, upload, rounds)


def draws_uniformly(rounds: Any) -> bool:
    """Return whether every cohort is a uniform sample of the available devices.

    Only such samples amplify privacy. Over-selection takes the fastest of a sample.
    """
    whole = isinstance(rounds, Synchronous) or _drops_the_late(rounds)
    return whole and isinstance(rounds.select, RandomSelection)


def _check_noise(
    privacy: Privacy, server: AggregationConfig, upload: Codec, rounds: Rounds
) -> None:
    if server.weights != "equal":
        raise LocatedError(
            "must be equal where noise is calibrated to what one device can change",
            "server",
            "weights",
        )
    select = getattr(rounds, "select", None)
    if getattr(select, "needs_training", False):
        raise LocatedError(
            f"must not look at the data: {SELECTORS.label(select)} reads losses that have no "
            "noise, and no theorem bounds what its choice tells",
            "rounds",
            "select",
        )
    if privacy.noise == "local":
        return
    if _mixes_rounds(rounds):
        raise LocatedError(
            "must be local here: uploads of several rounds meet in one sum with weights of their "
            "own, so the shares of the noise do not add up to what each needs",
            "privacy",
            "noise",
        )
    if not getattr(upload, "additive", False):
        raise _not_additive(
            upload, "noise", "shares of the noise do not add up to it (noise: local can do with it)"
        )


def _mixes_rounds(rounds: Any) -> bool:
    """Return whether uploads of several rounds meet in one aggregate."""
    folds = isinstance(rounds, Deadline) and not _drops_the_late(rounds)
    return isinstance(rounds, Asynchronous) or folds


def _drops_the_late(rounds: Any) -> bool:
    return isinstance(rounds, Deadline) and rounds.late == "drop"


def _not_additive(upload: Codec, key: str, consequence: str) -> LocatedError:
    return LocatedError(
        f"needs an upload codec that is additive, such as fp32 or bf16: {CODECS.name_of(upload)} "
        f"chooses values or scales by the device's own update, so {consequence}",
        "privacy",
        key,
    )
