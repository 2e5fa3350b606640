"""RAG: in-context retrieval-augmented generation, which trains nothing.

O. Ram et al., In-Context Retrieval-Augmented Language Models, 2023, arXiv 2302.00083: documents
that BM25 finds for a request stand before it, and a language model answers as it is. A device
sends its requests as text, the server returns the documents, and the device answers. Numbers of
documents and requests are wfl_sim's defaults.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from wfl_sim.config.fields import Bounded, NonNegativeInt, PositiveInt
from wfl_sim.methods.aggregation import Upload
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.parts import Part
from wfl_sim.methods.phases import Answering, Local, Phase, one_phase
from wfl_sim.state import State


@METHODS("rag")
@dataclass(frozen=True, kw_only=True)
class RAG(Bounded):
    """Requests go up, documents come down, the device answers; nothing is trained."""

    documents: NonNegativeInt = 1
    """Documents that are retrieved for a request; with 0 a device answers alone."""
    requests: PositiveInt = 16
    """Requests that a device answers in a round, drawn from those it has to train on."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """The network is used as it is."""
        return ()

    @property
    def phases(self) -> tuple[Phase, ...]:
        """All requests of a round are answered in one batch."""
        local = Local(steps=1, batch=self.requests)
        return one_phase(local=local, objective=Answering(documents=self.documents))

    def aggregate(self, shared: State, uploads: Sequence[Upload]) -> State:
        """There is nothing to aggregate: the shared state is empty and stays so."""
        return shared
