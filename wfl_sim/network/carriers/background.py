"""Background traffic on the air: files, or users with a full buffer now and then or always."""

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, Final

import simpy

from wfl_sim.device_models.radio_power import RadioPower
from wfl_sim.network.carriers.cell_carrier import CellCarrier
from wfl_sim.network.carriers.transfer import Transfer, TransferRequest
from wfl_sim.network.context import RunContext
from wfl_sim.radio.traffic import Source
from wfl_sim.records import Activity, Outcome

_ENDLESS: Final = 1e12
"""Bits of a full buffer, which is filled again when it is empty."""
Events = Generator[simpy.Event, Any, None]


@dataclass(eq=False)
class BackgroundTraffic:
    """The users of one source in a cell; each file or full buffer leaves a span.

    Args:
        context: of the run.
        source: their traffic and their links.
        cell: name of the cell.
        carrier: of the cell in their direction.
        radio: of each user.
    """

    context: RunContext
    source: Source
    cell: str
    carrier: CellCarrier
    radio: RadioPower
    _open: dict[Transfer, tuple[int, float]] = field(default_factory=dict)
    """User and time of arrival of what is on the air."""

    def __post_init__(self) -> None:
        traffic, env = self.source.traffic, self.context.env
        name = "background", self.cell, self.source.entry
        self._draws = self.context.stream(*name)
        if traffic.interval is not None:
            self._idle, self._waiting = list(self.source.links), deque[float]()
            env.process(self._files(traffic.interval))
            return
        for user in self.source.links:
            env.process(self._buffer(user, self.context.stream(*name, user)))

    def _files(self, interval: float) -> Events:
        env, traffic, draws = self.context.env, self.source.traffic, self._draws
        while True:
            yield env.timeout(draws.exponential(interval))
            self._waiting.append(traffic.file(draws))
            self._serve()

    def _serve(self) -> None:
        """Give files that wait to users that have none."""
        while self._waiting and self._idle:
            user = self._idle.pop(int(self._draws.integers(len(self._idle))))
            self.context.env.process(self._file(user, self._waiting.popleft()))

    def _file(self, user: int, bits: float) -> Events:
        start = self.context.env.now
        yield from self.carrier.wait_for_access([user])
        transfer = self._send(user, bits, start)
        yield transfer.done
        self._record(transfer, transfer.bits)
        self._idle.append(user)
        self._serve()

    def _buffer(self, user: int, draws: Any) -> Events:
        env, traffic = self.context.env, self.source.traffic
        on, off = traffic.on, traffic.off
        begins = on is None or off is None or draws.random() < on / (on + off)
        while True:
            if not begins and off is not None:
                yield env.timeout(draws.exponential(off))
            begins, start = False, env.now
            yield from self.carrier.wait_for_access([user])
            transfer = self._send(user, _ENDLESS, start)
            if on is None:
                yield transfer.done
                bits = transfer.bits
            else:
                yield env.timeout(draws.exponential(on))
                arrived: Any = yield self.carrier.leave(transfer, user)
                bits = arrived
            self._record(transfer, bits)

    def _send(self, user: int, bits: float, start: float) -> Transfer:
        weight = self.source.traffic.weight
        transfer = self.carrier.send(TransferRequest([user], bits, weight=weight))
        self._open[transfer] = user, start
        return transfer

    def finish(self, left: dict[Transfer, float]) -> None:
        """Record what is under way at the end of the run; `left` are its bits on the air."""
        for transfer in [each for each in self._open if each in left]:
            self._record(transfer, transfer.bits - left[transfer], "cut")

    def _record(self, transfer: Transfer, on_air: float, outcome: Outcome = "done") -> None:
        user, start = self._open.pop(transfer)
        totals, bits = self.context.background, self.carrier.payload(on_air)
        uplink, now = self.source.traffic.direction == "uplink", self.context.env.now
        if uplink and transfer.airtime:
            mean = self.radio.transmit_power(transfer.radiated / transfer.airtime)
            joules = mean * transfer.airtime
        else:
            listens = self.carrier.duty * (now - transfer.start)
            joules = 0.0 if uplink else self.radio.receive * listens
        totals.transfers += outcome == "done"
        totals.bits_up += bits * uplink
        totals.bits_down += bits * (not uplink)
        totals.joules += joules
        if now > start:
            self.context.note_pauses(f"user-{user}", transfer.pauses)
            activity: Activity = "user-upload" if uplink else "user-download"
            self.context.record(
                f"user-{user}",
                activity,
                -1,
                start,
                bits=round(bits),
                joules=joules,
                cell=self.cell,
                outcome=outcome,
                mean_sinr_db=transfer.mean_sinr_db,
                mean_rate=bits / (now - start),
            )
