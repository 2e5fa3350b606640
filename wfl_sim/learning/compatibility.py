"""Whether a method can learn from what the data are."""

from wfl_sim.config.errors import LocatedError, counted
from wfl_sim.data.examples import Instructions, Shards
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.methods.method import METHODS, Method, SplitModel
from wfl_sim.methods.objectives import DPO, GRPO, PPO, PREFERENCES, RULES, Alignment
from wfl_sim.methods.parts import Full, Head, LastLayers, Offset, RewardWeights
from wfl_sim.methods.phases import Answering, NextWord


def check_compatible(model: Pretrained, method: Method, shards: Shards) -> None:
    """Raise LocatedError where model, method and data do not go together.

    An objective of alignment needs instructions; rewards by rule need requests that the rules know;
    DPO needs pairs; reward models must be there, and read texts as long as these.
    """
    instructs = isinstance(shards.pooled, Instructions)
    private = [part.config for part in method.parts if not (part.shared or part.known)]
    if private and all(isinstance(each, Head) for each in private) and instructs:
        raise LocatedError(
            f"{METHODS.label(method)} keeps the head alone on the device, and a language model has "
            "none: it would be fedit; choose another",
            "method",
        )
    if model.compile and instructs:
        raise LocatedError("compile is for classifiers, and these data are instructions", "model")
    for part in method.parts:
        if model.quantise != "none" and isinstance(part.config, Full | LastLayers | Offset):
            raise LocatedError(
                f"rounded weights do not learn, and {METHODS.label(method)} trains them: leave "
                "quantise out, or choose a method of LoRA or adapters",
                "model",
                "quantise",
            )
    _check_memory_saving(model, method)
    _check_minibatches(method)
    _check_warm_up(method, shards)
    objectives = [phase.objective for phase in method.phases]
    for each in objectives:
        if isinstance(each, NextWord | Answering) and not instructs:
            raise LocatedError(
                f"has labels, and {METHODS.label(method)} needs texts of a language model: give "
                "instructions, such as kind: instruct",
                "data",
            )
        if isinstance(each, Answering) and each.documents and not shards.documents:
            raise LocatedError(
                "has no documents to retrieve: give `documents`, a text file of one a line, or "
                "kind: instruct, or `method: {documents: 0}`",
                "data",
            )
    aligning = [each for each in objectives if isinstance(each, Alignment)]
    if not aligning:
        return
    if isinstance(method, SplitModel):
        raise LocatedError("a split network has no alignment: give it labels or answers", "method")
    examples, name = shards.pooled, METHODS.label(method)
    if not isinstance(examples, Instructions):
        raise LocatedError(
            f"has labels, and {name} learns to answer: give instructions, such as kind: instruct, "
            "or a method that classifies",
            "data",
        )
    weights = [part for part in method.parts if isinstance(part.config, RewardWeights)]
    if any(each.combine == "hypergradient" for each in aligning) and len(weights) != 1:
        text = f"needs one part RewardWeights for weights that learn, got {len(weights)}"
        raise LocatedError(f"combine: hypergradient {text}", "method")
    paired = all(isinstance(e, Instructions) and e.rejected for e in shards.train)
    for objective in aligning:
        if isinstance(objective.algorithm, DPO):
            if not paired:
                raise LocatedError(
                    "learns from pairs of answers, and these data have none: give records with "
                    "`chosen` and `rejected`, kind: instruct, or another algorithm",
                    "method",
                    "algorithm",
                )
            continue
        if objective.rewards.uses(PREFERENCES) and not paired:
            raise LocatedError(
                f"{PREFERENCES} are learned from pairs of answers, and these data have none",
                "method",
                "rewards",
            )
        if objective.rewards.uses(RULES) and not examples.ruled:
            raise LocatedError(
                f"{RULES} judge only requests of kind: instruct; give reward models",
                "method",
                "rewards",
            )
        _check_rewards(objective, examples.layout.tokens)


def _check_minibatches(method: Method) -> None:
    """Refuse more minibatches than a step has answers."""
    for phase in method.phases:
        algorithm = phase.objective.algorithm if isinstance(phase.objective, Alignment) else None
        if not isinstance(algorithm, PPO | GRPO):
            continue
        answers = phase.local.batch * algorithm.answers
        if answers < algorithm.minibatches:
            raise LocatedError(
                f"must be at most {answers}, the answers of a step (batch {phase.local.batch}), "
                f"got {algorithm.minibatches}",
                "method",
                "algorithm",
                "minibatches",
            )


def _check_warm_up(method: Method, shards: Shards) -> None:
    """Refuse a warm-up that outlasts a local update: of one step it would leave a rate of 0."""
    fewest = min((len(each) for each in shards.train), default=0)
    for phase in method.phases:
        steps, asked = phase.of(fewest).optimizer_steps, phase.local.warmup_steps
        if asked >= steps:
            raise LocatedError(
                f"must be less than the {counted(steps, 'step')} of the shortest local update, or "
                f"its rate never reaches lr, got {asked} (over rounds: warmup_rounds)",
                "method",
                "local",
                "warmup_steps",
            )


def _check_memory_saving(model: Pretrained, method: Method) -> None:
    """Refuse smaller passes, and layers that are computed anew, where a step has neither."""
    name, phases = METHODS.label(method), method.phases
    if any(phase.local.micro_batch for phase in phases):
        if isinstance(method, SplitModel):
            message = f"does not go with {name}: every step crosses the cut once; give a batch"
            raise LocatedError(f"micro_batch {message}", "method", "local", "micro_batch")
        aligned = [p.objective for p in phases if isinstance(p.objective, Alignment)]
        if not all(isinstance(each.algorithm, DPO) for each in aligned):
            raise LocatedError(
                "is for labels, answers and dpo: steps of ppo and grpo are their minibatches",
                "method",
                "local",
                "micro_batch",
            )
    if not model.gradient_checkpointing:
        return
    if isinstance(method, SplitModel) or any(isinstance(p.objective, Alignment) for p in phases):
        raise LocatedError(
            f"is for training on labels or answers by the whole network, and {name} does other",
            "model",
            "gradient_checkpointing",
        )


def _check_rewards(objective: Alignment, tokens: int) -> None:
    from wfl_sim.learning.alignment.rewards import most_tokens_of

    for name in objective.rewards.models:
        try:
            limit = most_tokens_of(Pretrained(pretrained=name))
        except (ValueError, OSError) as error:
            raise LocatedError(str(error), "method", "rewards") from error
        if limit is not None and tokens > limit:
            raise LocatedError(
                f"{name!r} reads at most {limit} tokens, and request and answer have {tokens}",
                "method",
                "rewards",
            )
