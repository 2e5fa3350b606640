"""What one local update costs, from the shapes of network, parts, batch and codec."""

from collections.abc import Sequence
from dataclasses import replace

from wfl_sim.learning.base_model import most_tokens, shape_of
from wfl_sim.learning.cut import cut_step
from wfl_sim.learning.flops import step_flops
from wfl_sim.learning.memory import step_footprint
from wfl_sim.learning.model import Pretrained
from wfl_sim.learning.workbench import Workbench
from wfl_sim.methods.abilities import Split, differs, on_device, sent_down, sent_up
from wfl_sim.methods.parts import Part, Shapes, with_role
from wfl_sim.methods.phases import Phase
from wfl_sim.protocols import Batches, Codec, Exchange, Method, Workload


def workload_of(
    model: Pretrained,
    method: Method,
    parts: Sequence[Part],
    *,
    classes: int,
    tokens: int,
    codec_up: Codec,
    codec_down: Codec,
) -> tuple[Workload, Shapes]:
    """Count a local update on the meta device; no weights are loaded.

    Returns:
        The costs, and the shapes of all parameters of all parts.

    Raises:
        ValueError: the network cannot read texts of `tokens` tokens, or a part has no place in it.
    """
    network = shape_of(model, classes)
    limit = most_tokens(network.config)
    if limit is not None and tokens > limit:
        raise ValueError(f"tokens must be at most {limit} for {model.pretrained!r}, got {tokens}")
    bench = Workbench(network, parts)
    shapes = bench.shapes(bench.parts)
    shared = with_role(bench.parts, shapes, "shared")
    whole = sent_up(method, shared)
    up = {name: shape for name, shape in whole.items() if on_device(method, name)}
    down = sent_down(method, shared)
    down = {name: shape for name, shape in down.items() if on_device(method, name)}
    held, flops = [], 0.0
    for phase in method.phases:
        with bench.muted(phase):
            trained = bench.trained(phase)
            held.append(step_footprint(network, trained, phase, tokens))
            flops += phase.local.steps * step_flops(network, trained, phase, tokens)
    workload = Workload(
        upload_bits=codec_up.bits(up) if up else 0,
        download_bits=codec_down.bits(down) if down else 0,
        update_flops=flops,
        steps=sum(phase.local.steps for phase in method.phases),
        aggregate_flops=2.0 * sum(_size(shape) for shape in whole.values()),
        upload_values=sum(_size(shape) for shape in up.values()),
        memory=max(each.held for each in held),
        frozen=min(each.frozen for each in held),
        traffic=sum(
            phase.local.steps * each.moved for phase, each in zip(method.phases, held, strict=True)
        ),
        model=model.pretrained,
        batches=tuple(
            Batches(phase.local.steps, phase.local.batch, tokens) for phase in method.phases
        ),
        unicast=differs(method),
    )
    if isinstance(method, Split):
        (phase,) = method.phases
        workload = _split(workload, bench, phase, tokens, method.device_blocks)
    return workload, shapes


def _split(whole: Workload, bench: Workbench, phase: Phase, tokens: int, blocks: int) -> Workload:
    """Return what is left to a device of the costs of a local update on the whole network."""
    step = cut_step(bench.model, bench.trained(phase), phase, tokens, blocks)
    return replace(
        whole,
        update_flops=whole.steps * (step.forward + step.backward),
        memory=step.footprint.held,
        frozen=step.footprint.frozen,
        traffic=whole.steps * step.footprint.moved,
        batches=(),
        exchange=Exchange(
            up_bits=step.up_bits,
            down_bits=step.down_bits,
            forward=step.forward / (step.forward + step.backward),
            server_flops=step.server,
        ),
    )


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for side in shape:
        size *= side
    return size
