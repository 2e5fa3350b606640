"""What one local update costs, from the shapes of network, parts, batch and codec."""

from wfl_sim.learning.base_model import most_tokens, shape_of
from wfl_sim.learning.flops import step_flops
from wfl_sim.learning.memory import step_footprint
from wfl_sim.learning.model import Pretrained
from wfl_sim.learning.workbench import Workbench
from wfl_sim.protocols import Batches, Codec, Method, Workload


def workload_of(
    model: Pretrained,
    method: Method,
    *,
    classes: int,
    tokens: int,
    codec_up: Codec,
    codec_down: Codec,
) -> Workload:
    """Count a local update on the meta device; no weights are loaded.

    Raises:
        ValueError: the network cannot read texts of `tokens` tokens, or a part has no place in it.
    """
    network = shape_of(model, classes)
    limit = most_tokens(network.config)
    if limit is not None and tokens > limit:
        raise ValueError(f"tokens must be at most {limit} for {model.pretrained!r}, got {tokens}")
    bench = Workbench(network, method.parts)
    shapes = bench.shapes(part.name for part in method.parts if part.shared)
    steps = [(phase, bench.trained(phase)) for phase in method.phases]
    held = [step_footprint(network, trained, phase, tokens) for phase, trained in steps]
    return Workload(
        upload_bits=codec_up.bits(shapes) if shapes else 0,
        download_bits=codec_down.bits(shapes) if shapes else 0,
        update_flops=sum(
            phase.local.steps * step_flops(network, trained, phase, tokens)
            for phase, trained in steps
        ),
        steps=sum(phase.local.steps for phase in method.phases),
        aggregate_flops=2.0 * sum(_size(shape) for shape in shapes.values()),
        memory=max(each.held for each in held),
        frozen=min(each.frozen for each in held),
        traffic=sum(
            phase.local.steps * each.moved for phase, each in zip(method.phases, held, strict=True)
        ),
        model=model.pretrained,
        batches=tuple(
            Batches(phase.local.steps, phase.local.batch, tokens) for phase in method.phases
        ),
    )


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for side in shape:
        size *= side
    return size
