"""What a server retrieves for the requests of devices, and what that puts on the air."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property

from wfl_sim.data.examples import Instructions
from wfl_sim.data.retrieval import DocumentStore
from wfl_sim.device_models.workload import StepExchange
from wfl_sim.methods.phases import Answering, Phase


class Retrieval:
    """Finds documents of the server for requests, at most `count` for each."""

    def __init__(self, documents: Sequence[str], count: int) -> None:
        self._documents = documents
        self._count = count
        self._found: dict[str, tuple[str, ...]] = {}

    def __repr__(self) -> str:
        digest = hashlib.sha256(repr(self._documents).encode()).hexdigest()
        return f"Retrieval({self._count} of {len(self._documents)} documents {digest})"

    @cached_property
    def store(self) -> DocumentStore:
        """The documents and their index."""
        return DocumentStore(self._documents)

    def found(self, request: str) -> tuple[str, ...]:
        """Return the documents for a request, the best last, so that it is next to the request."""
        if request not in self._found:
            self._found[request] = self.store.best(request, self._count)[::-1]
        return self._found[request]

    def with_documents(self, examples: Instructions) -> Instructions:
        """Return the same requests, each with its documents."""
        return replace(examples, retrieved=tuple(map(self.found, examples.texts)))

    def exchange(self, requests: Sequence[str]) -> StepExchange:
        """Return what asking for the documents of some requests takes, all in one message.

        Requests and documents are UTF-8 on the air, without headers. The server's FLOPs are those
        of the scores.
        """
        return StepExchange(
            up_bits=_bits(requests),
            down_bits=_bits(text for each in requests for text in self.found(each)),
            forward=0.0,
            server_flops=sum(map(self.store.flops, requests)),
        )

    def largest_exchange(self, requests: Sequence[str], count: int) -> StepExchange:
        """Return a bound of `exchange` for any `count` of the requests."""
        alone = [self.exchange([each]) for each in requests]
        return StepExchange(
            up_bits=count * max(each.up_bits for each in alone),
            down_bits=count * max(each.down_bits for each in alone),
            forward=0.0,
            server_flops=count * max(each.server_flops for each in alone),
        )


def retrieval_of(phases: Sequence[Phase], documents: Sequence[str]) -> Retrieval | None:
    """Return the retrieval of a method's phases; None where they retrieve nothing."""
    for phase in phases:
        if isinstance(phase.objective, Answering) and phase.objective.documents:
            return Retrieval(documents, phase.objective.documents)
    return None


def _bits(texts: Iterable[str]) -> int:
    return 8 * sum(len(text.encode()) for text in texts)
