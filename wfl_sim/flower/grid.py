"""A grid of Flower whose messages take simulated time."""

import math
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import count
from typing import Any, Final

import numpy as np
import simpy
from flwr.app import Error, Message, RecordDict
from flwr.common.constant import ErrorCode
from flwr.serverapp import Grid
from flwr.supercore.run import Run

from wfl_sim.flower.exchanges import Exchange, ExchangePlan
from wfl_sim.network.devices.device import Device
from wfl_sim.network.federation.federation import Federation
from wfl_sim.records import Metric, Scope

_STRATEGY_ASKS: Final = 2


class SimulatedGrid(Grid):
    """Carries messages over the cells of a federation; its clock goes on where an app waits.

    `send_and_receive` waits until all replies are there, or `timeout` in simulated seconds has
    passed; what is late stays under way. A pull without any reply waits for the next one, or for
    `poll`. A message to a device that is busy or away waits for it. Messages of one push with
    the same content are one broadcast, where the cell broadcasts. A reply's `created_at` is the
    simulated second of its arrival. The server's hardware averages the arrays of replies; what else
    a ServerApp does takes no time.
    """

    def __init__(self, federation: Federation, plan: ExchangePlan, poll: float = 1.0) -> None:
        self.metrics: list[Metric] = []
        self.lost = 0
        """Number of messages whose device, or whose reply, was lost."""
        self.late = 0
        """Number of replies that arrived after their `timeout` or `ttl`."""
        self._federation = federation
        self._plan = plan
        self._poll = poll
        self._run = Run.create_empty(1)
        self._exchanges: dict[str, Exchange] = {}
        self._numbers = count()
        self._waiting: dict[int, int] = {}
        self._answered: frozenset[int] | None = None
        self._asked = 0
        self._newest = -1

    @property
    def now(self) -> float:
        """Simulated time in s."""
        return float(self._federation.env.now)

    def set_run(self, run: Run) -> None:
        """Set the run."""
        self._run = run

    @property
    def run(self) -> Run:
        """The run."""
        return self._run

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """Return a message."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> list[int]:
        """Return the nodes of devices that are present.

        Strategies ask twice. An app that asks a third time, and has done nothing else meanwhile,
        waits for more: simulated time then goes on to the next change.

        Raises:
            RuntimeError: it would wait for ever.
        """
        present = self._present()
        self._asked = self._asked + 1 if self._answered == present else 1
        if self._asked > _STRATEGY_ASKS:
            while self._answered == present:
                if all(each.present or each.gone for each in self._federation.devices):
                    raise RuntimeError(
                        f"the app waits for more than the {len(present)} nodes that are there, "
                        "and no other will ever come"
                    )
                self._federation.env.run(self._federation.fleet_changed())
                present = self._present()
        self._answered = present
        return sorted(present)

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Send messages; return their ids."""
        return [name for name, _ in self._push(messages, math.inf)]

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """Return the replies that have arrived; without any, let time go on as the class says."""
        self._answered = None
        known = [self._exchanges[name] for name in message_ids if name in self._exchanges]
        if known and not any(each.done.triggered for each in known):
            env = self._federation.env
            env.run(env.any_of([each.done for each in known]) | env.timeout(self._poll))
        return self._arrived(known)

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        """Send messages, and wait for their replies; return those that are in time."""
        env = self._federation.env
        due = math.inf if timeout is None else self.now + timeout
        sent = [exchange for _, exchange in self._push(messages, due)]
        if not sent:
            return []
        over = env.all_of([each.done for each in sent])
        env.run(over if timeout is None else over | env.timeout(timeout))
        replies = self._arrived(sent)
        self._note_means(sent[0].number, replies)
        return replies

    def note(self, name: str, value: float, scope: Scope = "global", device: str = "") -> None:
        """Add a number to the metrics of the run, at this simulated time."""
        context = self._federation.context
        self.metrics.append(
            Metric(
                time=self.now,
                round=self._newest,
                metric=name,
                scope=scope,
                device=device,
                value=float(value),
                bits_up=context.traffic.sent_up,
                bits_down=context.traffic.sent_down,
                joules=float(context.ledger.drawn(self.now).sum()),
            )
        )

    def _present(self) -> frozenset[int]:
        return frozenset(each.index + 1 for each in self._federation.devices if each.present)

    def _push(self, messages: Iterable[Message], due: float) -> list[tuple[str, Exchange]]:
        self._answered = None
        sent: list[tuple[str, Exchange]] = []
        contents: dict[int, list[Exchange]] = {}
        for message in messages:
            self._newest = _round_of(message, self._newest)
            device = self._device(message.metadata.dst_node_id)
            exchange = Exchange(message, device, self._newest, self._federation.env.event())
            name = f"message-{next(self._numbers)}"
            message.metadata.__dict__["_message_id"] = name
            self._exchanges[name] = exchange
            sent.append((name, exchange))
            contents.setdefault(id(message.content), []).append(exchange)
            self._federation.env.process(self._expire(exchange, message.metadata.ttl))
        for same in contents.values():
            now: dict[int, Exchange] = {}
            for exchange in same:
                index = exchange.device.index
                if exchange.device.available and index not in now and not self._waiting.get(index):
                    now[index] = exchange
                else:
                    self._federation.env.process(self._send_later(exchange, due))
            self._send([*now.values()], due)
        return sent

    def _device(self, node: int) -> Device:
        if not 1 <= node <= len(self._federation.devices):
            raise ValueError(f"no node {node}: there are 1 to {len(self._federation.devices)}")
        return self._federation.devices[node - 1]

    def _send_later(self, exchange: Exchange, due: float) -> Any:
        """Wait until the device can be asked, then send."""
        device, index = exchange.device, exchange.device.index
        self._waiting[index] = self._waiting.get(index, 0) + 1
        while not device.available and not device.gone:
            yield self._federation.fleet_changed()
        self._waiting[index] -= 1
        if device.gone:
            self.lost += 1
        elif not exchange.done.triggered:
            self._send([exchange], due)

    def _send(self, exchanges: Sequence[Exchange], due: float) -> None:
        """Send one content to several devices that are free."""
        if not exchanges:
            return
        self._plan.begin(exchanges)
        number = exchanges[0].number
        downloads = self._federation.server.send_out([each.device for each in exchanges], number)
        for each in exchanges:
            part = each.device.participate(number, downloads[each.device.index], deadline=due)
            part.callbacks.append(partial(self._ended, each, due))

    def _ended(self, exchange: Exchange, due: float, part: simpy.Event) -> None:
        contribution: Any = part.value if part.ok else None
        exchange.device.idle()
        if contribution is None:
            self._plan.abandoned(exchange)
        if contribution is None or contribution.upload is None or exchange.reply is None:
            self.lost += 1
            return
        expired = exchange.done.triggered
        self.late += expired or self.now > due
        if expired:
            return
        reply = exchange.reply
        reply.metadata.__dict__["_message_id"] = f"reply-{next(self._numbers)}"
        reply.metadata.created_at = self.now
        for name, value in _numbers_of(reply):
            self.note(name, value, "device", exchange.device.name)
        exchange.done.succeed()

    def _expire(self, exchange: Exchange, ttl: float) -> Any:
        """Answer with an error when a message has become too old."""
        yield self._federation.env.timeout(ttl)
        if not exchange.done.triggered:
            error = Error(code=ErrorCode.REPLY_MESSAGE_UNAVAILABLE, reason=f"none within {ttl} s")
            exchange.reply = Message(error, reply_to=exchange.message)
            exchange.done.succeed()

    def _arrived(self, exchanges: Sequence[Exchange]) -> list[Message]:
        """Return, once, the replies that are there, in the order of their messages.

        The clock goes on while the server works on their arrays: 2 FLOP a value, as for an average.
        """
        done = [each for each in exchanges if each.done.triggered]
        for each in done:
            self._exchanges.pop(each.message.metadata.message_id, None)
        replies = [each.reply for each in done if each.reply is not None]
        updates = [each for each in done if _values_of(each.reply)]
        if updates:
            federation, start = self._federation, self.now
            flops = 2.0 * sum(_values_of(each.reply) for each in updates)
            seconds = federation.server.hardware.seconds(flops)
            federation.env.run(federation.env.timeout(seconds))
            federation.context.aggregations += 1
            federation.context.record(
                federation.server.name,
                "aggregate",
                updates[0].number,
                start,
                bits=sum(each.bits for each in updates),
                flops=flops,
            )
        return replies

    def _note_means(self, number: int, replies: Sequence[Message]) -> None:
        """Note the mean over the replies of what all of them report."""
        found = [dict(_numbers_of(reply)) for reply in replies]
        for name in found[0] if found else ():
            values = [each[name] for each in found if name in each]
            if len(values) == len(found):
                self._newest = number
                self.note(name, float(np.mean(values)), "personal_mean")


def _round_of(message: Message, newest: int) -> int:
    """Return the round of a message, from 0: by its group, or what strategies say; else newest."""
    if message.metadata.group_id.isdecimal():
        return int(message.metadata.group_id)
    for record in message.content.config_records.values():
        if isinstance(number := record.get("server-round"), int):
            return number - 1
    return max(newest, 0)


def _values_of(reply: Message | None) -> int:
    """Return how many numbers the arrays of a reply have."""
    if reply is None or not reply.has_content():
        return 0
    records = reply.content.array_records.values()
    return sum(math.prod(array.shape) for record in records for array in record.values())


def _numbers_of(reply: Message) -> list[tuple[str, float]]:
    """Return the numbers that a reply reports, named once."""
    if not reply.has_content():
        return []
    records = reply.content.metric_records.values()
    found = {name: each for record in records for name, each in record.items()}
    return [(name, each) for name, each in found.items() if isinstance(each, (int, float))]
