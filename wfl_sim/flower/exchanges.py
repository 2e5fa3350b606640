"""Exchanges: a message to a node, the work of its ClientApp, and the reply: costs of a device."""

import copy
import logging
import random
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import simpy
from flwr.app import Context, Error, Message, RecordDict
from flwr.common.constant import ErrorCode
from flwr.common.serde import recorddict_to_proto

from wfl_sim.device_models.workload import Workload
from wfl_sim.execution.learner import Learner
from wfl_sim.execution.plan import NetworkOnly
from wfl_sim.execution.task import StateRef
from wfl_sim.learning.costs.counted_call import counted_call
from wfl_sim.network.devices.device import Device
from wfl_sim.randomness import derived_seed

_log = logging.getLogger(__name__)

ClientCall = Callable[[Message, Context], Message]


@dataclass(eq=False)
class Exchange:
    """A message, and its reply once that has arrived."""

    message: Message
    device: Device
    number: int
    """Round."""
    done: simpy.Event
    reply: Message | None = None
    bits: int = 0
    """Of the reply."""


def bits_of(content: RecordDict, payload: str) -> int:
    """Return the bits of a message: all of it as it is serialised, or its arrays alone."""
    if payload == "arrays":
        return 8 * sum(
            array.numpy().nbytes
            for record in content.array_records.values()
            for array in record.values()
        )
    return 8 * len(recorddict_to_proto(content).SerializeToString())


class ExchangePlan(NetworkOnly):
    """Runs the ClientApp of a device when its computation begins, and tells what that costs.

    Args:
        learner: of the placeholder model.
        seed: of the run.
        client: the ClientApp.
        contexts: of each device; their state outlives a message.
        flops: FLOPs by type of message, for those that are not to be counted.
        payload: "message" or "arrays".
    """

    def __init__(
        self,
        learner: Learner,
        seed: int,
        client: ClientCall,
        contexts: Sequence[Context],
        *,
        flops: Mapping[str, float],
        payload: str,
    ) -> None:
        super().__init__(learner, seed)
        self.devices: Sequence[Device] = ()
        self.failures = 0
        """Number of messages whose ClientApp raised an error."""
        self.uncounted: set[str] = set()
        """Types of messages whose FLOPs could not be counted."""
        self.unused = set(flops)
        """Types of `flops` of which there was no message."""
        self._client = client
        self._contexts = contexts
        self._flops = flops
        self._payload = payload
        self._current: dict[int, Exchange] = {}
        self._before: dict[int, RecordDict] = {}
        self._calls = 0

    def begin(self, exchanges: Sequence[Exchange]) -> None:
        """Let devices process these messages, which have the same content."""
        bits = bits_of(exchanges[0].message.content, self._payload)
        for each in exchanges:
            self._current[each.device.index] = each
            each.device.workload = replace(each.device.workload, download_bits=bits)

    def abandoned(self, exchange: Exchange) -> None:
        """Put the state of a device back that has stopped working on a message."""
        if exchange.reply is not None:
            index = exchange.device.index
            self._contexts[index].state = self._before[index]
            exchange.reply = None

    def download_bits(self, device: int, shared: StateRef) -> int:
        """Return the bits of the message that a device is to get."""
        return self.devices[device].workload.download_bits

    def workload(self, device: int, number: int, turn: int = 0) -> Workload:
        """Run the ClientApp on the present message; return the costs of that."""
        exchange, context = self._current[device], self._contexts[device]
        self._before[device] = copy.deepcopy(context.state)
        self._calls += 1
        message = copy.deepcopy(exchange.message)
        seed = self._update_seed(device, number, self._calls)
        with _random_state(seed):
            reply, flops = counted_call(lambda: self._reply(message, context), seed)
        exchange.reply = reply
        exchange.bits = bits_of(reply.content, self._payload) if reply.has_content() else 0
        kind = message.metadata.message_type
        category = kind.partition(".")[0]
        self.unused -= {kind, category}
        if (given := self._flops.get(kind, self._flops.get(category))) is not None:
            flops = given
        elif not flops and reply.has_content():
            self.uncounted.add(kind)
        made = replace(
            self.devices[device].workload, upload_bits=exchange.bits, update_flops=flops, steps=1
        )
        self.devices[device].workload = made
        return made

    def _reply(self, message: Message, context: Context) -> Message:
        """Return what the ClientApp answers; an error if it fails, as Flower's runtime does."""
        try:
            return self._client(message, context)
        except Exception as error:
            self.failures += 1
            _log.exception("the ClientApp of node %d failed", context.node_id)
            reason = "".join(traceback.format_exception_only(error)).strip()
            code = ErrorCode.CLIENT_APP_RAISED_EXCEPTION
            return Message(Error(code=code, reason=reason), reply_to=message)


@contextmanager
def _random_state(seed: int) -> Iterator[None]:
    """Seed the global generators of Python and NumPy, and put them back."""
    before, numpy_before = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(derived_seed(seed) % 2**32)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(numpy_before)  # noqa: NPY002
