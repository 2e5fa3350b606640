"""FedEx-LoRA: A and B are averaged, and what their product lacks is added to the weights.

R. Singhal, K. Ponkshe, P. Vepakomma, FedEx-LoRA: Exact Aggregation for Federated and Efficient
Fine-Tuning of Foundation Models, 2024, arXiv 2410.09432. The residual sum p_k B_k A_k - B A goes to
the devices as the factors of all uploads, as in FLoRA, beside the averages. The head is averaged
(wfl_sim's default).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from wfl_sim.methods.aggregation import Upload, weighted_mean
from wfl_sim.methods.flora import FLoRA
from wfl_sim.methods.local_update import ClientContext, LocalResult, LocalRun, train_phases
from wfl_sim.methods.method import METHODS, News
from wfl_sim.methods.parts import Part, Shapes
from wfl_sim.state import State, of_parts, times


@METHODS("fedex-lora")
@dataclass(frozen=True, kw_only=True)
class FedExLoRA(FLoRA):
    """FedIT whose aggregate is exact: W <- W + sum p_k B_k A_k - B A (arXiv 2410.09432)."""

    whole_uploads = False

    @property
    def parts(self) -> tuple[Part, ...]:
        """As in FLoRA, with one rank for all."""
        return tuple(replace(part, by_device=False) for part in super().parts)

    def initial_server_state(self, shared: State, devices: int) -> State:
        """The pretrained weights, the LoRA and the head."""
        return shared

    def download_shapes(self, shapes: Shapes, news: News) -> Shapes:
        """LoRA, head, and a stack for each aggregation since the last download."""
        return {**shapes, **super().download_shapes(shapes, news)}

    def local_update(self, received: State, kept: State, client: ClientContext) -> LocalRun:
        """Go on with the averages, on weights that have the residual in them."""
        start = of_parts(received, "lora", "head", "merged")
        trained = yield from train_phases(self.phases, start)
        return LocalResult(upload=of_parts(trained, "lora", "head"), kept={})

    def aggregate(self, shared: State, uploads: Sequence[Upload]) -> State:
        """Average, and merge what the product of the averages lacks."""
        made = super().aggregate(shared, uploads)
        loras = [Upload(of_parts(each.state, "lora"), each.weight) for each in uploads]
        mean = weighted_mean(loras)
        minus_b = {n: times(-1, {n: a})[n] if ".lora_B." in n else a for n, a in mean.items()}
        return {**made, **mean, **self._merged(of_parts(made, "merged"), minus_b)}

    def personal_model(self, received: State, kept: State, shapes: Shapes) -> State:
        """The averages on the merged weights."""
        return of_parts(received, "lora", "head", "merged")
