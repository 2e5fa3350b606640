"""A network in memory for each rank among the devices."""

from typing import TYPE_CHECKING, Any

from wfl_sim.learning.encoded_data import EncodedShards
from wfl_sim.learning.pretrained_model import Pretrained
from wfl_sim.methods.device_parts import DeviceParts
from wfl_sim.methods.method import Method
from wfl_sim.methods.parts import Part

if TYPE_CHECKING:
    from wfl_sim.learning.adapted_model import AdaptedModel


class ModelCache:
    """Loads the weights when a network is first asked for, and keeps it."""

    def __init__(
        self,
        model: Pretrained,
        method: Method,
        fleet: DeviceParts,
        texts: EncodedShards,
        threads: int,
    ) -> None:
        """Load nothing yet.

        Args:
            model: the base model.
            method: its phases say how a language model is evaluated.
            fleet: the parts of each device.
            texts: their tokenizer, and whether they are instructions.
            threads: of torch.
        """
        self._model = model
        self._method = method
        self._fleet = fleet
        self._texts = texts
        self._threads = threads
        self._loaded: dict[tuple[Part, ...], AdaptedModel] = {}

    def __repr__(self) -> str:
        return f"ModelCache({self._model!r}, {len(self)} loaded)"

    def __len__(self) -> int:
        return len(self._loaded)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the networks, which every process loads for itself."""
        return {**self.__dict__, "_loaded": {}}

    def of(self, device: int) -> "AdaptedModel":
        """Return the network of a device with its parts; the same for all devices of one rank."""
        parts = self._fleet.parts(device)
        if parts not in self._loaded:
            self._loaded[parts] = self._load(parts)
        return self._loaded[parts]

    def _load(self, parts: tuple[Part, ...]) -> "AdaptedModel":
        from wfl_sim.learning.adapted_model import AdaptedModel
        from wfl_sim.learning.alignment.instruction_task import InstructionTask
        from wfl_sim.learning.model_loading import load_causal, load_model

        tokenizer, layout = self._texts.tokenizer, self._texts.layout
        if layout is None:
            network = load_model(self._model, self._texts.classes, tokenizer.pad_token_id)
            return AdaptedModel(
                network,
                parts,
                self._threads,
                activations=self._model.activations,
                compiled=self._model.compile,
            )
        task = InstructionTask(tokenizer, self._method.phases, layout)
        return AdaptedModel(load_causal(self._model), parts, self._threads, task)
