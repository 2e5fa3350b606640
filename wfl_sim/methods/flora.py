"""FLoRA: LoRAs are stacked, not averaged, and merged into the network.

Z. Wang et al., FLoRA: Federated Fine-Tuning Large Language Models with Heterogeneous Low-Rank
Adaptations, 2024, arXiv 2409.05976. B A = sum p_k B_k A_k holds exactly and ranks may differ, but a
download is the stack of all participants. Every device merges it into its weights and begins with a
fresh LoRA; one that has missed rounds gets the stacks of those, too. The head is averaged
(wfl_sim's default). Stacks must arrive bit for bit: the merged weights are computed once for all.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from wfl_sim.methods.aggregation import Upload, weighted_mean
from wfl_sim.methods.local_update import ClientContext, LocalResult, LocalRun, train_phases
from wfl_sim.methods.method import METHODS, News
from wfl_sim.methods.parts import Full, Head, LoRA, Part, Shapes
from wfl_sim.methods.phases import Local, Phase, one_phase
from wfl_sim.state import State, of_parts, outside, put_under


@METHODS("flora")
@dataclass(frozen=True, kw_only=True)
class FLoRA:
    """W <- W + sum p_k B_k A_k from stacked LoRAs of any ranks (arXiv 2409.05976)."""

    lora: LoRA = field(default_factory=LoRA)
    local: Local = field(default_factory=Local)
    lossless_downloads = True
    whole_uploads = True

    @property
    def parts(self) -> tuple[Part, ...]:
        """LoRA and head are sent up; everyone merges, so merged weights are known to all."""
        merged = Full(adapted=True, targets=self.lora.targets)
        return (
            Part(name="lora", config=self.lora, shared=True, by_device=True),
            Part(name="head", config=Head(), shared=True),
            Part(name="merged", config=merged, known=True),
        )

    @property
    def phases(self) -> tuple[Phase, ...]:
        """LoRA and head learn jointly."""
        return one_phase("lora", "head", local=self.local)

    def initial_server_state(self, shared: State, devices: int) -> State:
        """The head, and the pretrained weights with the LoRA merged that an adapter may hold."""
        first = self._merged(of_parts(shared, "merged"), of_parts(shared, "lora"))
        return {**outside("lora", shared), **first}

    def download_shapes(self, shapes: Shapes, news: News) -> Shapes:
        """The head, and a stack for each aggregation since the last download."""
        made = {name: shape for name, shape in shapes.items() if name.startswith("head/")}
        for age, uploads in enumerate(reversed(news)):
            for name in (n for n in shapes if n.startswith("lora/")):
                axis = 0 if ".lora_A." in name else 1
                shape = list(uploads[0][name])
                shape[axis] = sum(upload[name][axis] for upload in uploads)
                made["stack/" + "missed/" * age + name] = tuple(shape)
        return made

    def download(self, shared: State, shapes: Shapes, device: int) -> State:
        """The head and the newest stack."""
        return outside("merged", shared)

    def local_update(self, received: State, kept: State, client: ClientContext) -> LocalRun:
        """Train a fresh LoRA on the merged weights: A ~ U(-1, 1) / sqrt(d_in), B = 0."""
        fresh = {
            name: (client.rng.uniform(-1, 1, shape) / np.sqrt(shape[1])).astype(np.float32)
            if ".lora_A." in name
            else np.zeros(shape, np.float32)
            for name, shape in client.shapes.items()
            if name.startswith("lora/")
        }
        trained = yield from train_phases(
            self.phases, {**of_parts(received, "head", "merged"), **fresh}
        )
        return LocalResult(upload=of_parts(trained, "lora", "head"), kept={})

    def aggregate(self, shared: State, uploads: Sequence[Upload]) -> State:
        """Stack, merge, and keep the stack to be sent out."""
        total = sum(upload.weight for upload in uploads)
        stack: dict[str, np.ndarray] = {}
        for name in of_parts(uploads[0].state, "lora"):
            if ".lora_A." in name:
                stack[name] = np.concatenate([each.state[name] for each in uploads], axis=0)
            else:
                scaled = [each.weight / total * each.state[name] for each in uploads]
                stack[name] = np.concatenate(scaled, axis=1).astype(np.float32)
        heads = [Upload(of_parts(each.state, "head"), each.weight) for each in uploads]
        merged = of_parts(shared, "merged")
        return {**weighted_mean(heads), **self._merged(merged, stack), **put_under("stack", stack)}

    def personal_model(self, received: State, kept: State, shapes: Shapes) -> State:
        """The merged weights, with nothing in the LoRA."""
        nothing = {n: np.zeros(s, np.float32) for n, s in shapes.items() if n.startswith("lora/")}
        return {**of_parts(received, "head", "merged"), **nothing}

    def _merged(self, weights: State, stack: State) -> State:
        """W + (alpha / r) B A; a layer that keeps W transposed says so in the name."""
        made = {}
        for name, weight in weights.items():
            stem, _, kind = name.removeprefix("merged/").rpartition(".")
            a, b = (stack[f"lora/{stem}.lora_{factor}.weight"] for factor in "AB")
            # The bits of BLAS depend on the number of its threads.
            product = (self.lora.scale * np.einsum("or,ri->oi", b, a)).astype(np.float32)
            made[name] = weight + (product.T if kind == "transposed" else product)
        return made
