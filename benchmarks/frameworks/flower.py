"""The same federated averaging in Flower's simulation engine; prints s of wall and CPU per round.

Run by compare.py with the Python of an environment that has requirements.txt. The first round,
in which actors start and load the network, is not counted.

    python flower.py DATA.npz ROUNDS CPUS
"""

import json
import sys
import time

import numpy as np
import plain
import psutil
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation

DATA, ROUNDS, CPUS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
client_app, server_app = ClientApp(), ServerApp()


@client_app.train()
def train(message: Message, context: Context) -> Message:
    """Take the steps of one client."""
    here = plain.loaded(DATA)
    client = int(context.node_config["partition-id"])
    number = int(message.content["config"]["server-round"])
    rng = np.random.default_rng((number, client))
    here.update(message.content["arrays"].to_numpy_ndarrays(), client, rng)
    size = len(here.clients[client]["labels"])
    metrics = MetricRecord({"num-examples": size})
    arrays = ArrayRecord(numpy_ndarrays=here.values())
    return Message(RecordDict({"arrays": arrays, "metrics": metrics}), reply_to=message)


@server_app.main()
def main(grid: Grid, context: Context) -> None:
    """Average, and note the time after each round."""
    times = []

    def note(number: int, arrays: ArrayRecord) -> MetricRecord:
        me = psutil.Process()
        cpu = 0.0
        for process in (me, *me.children(recursive=True)):
            try:
                used = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            cpu += used.user + used.system
        times.append((time.perf_counter(), cpu))
        return MetricRecord({})

    strategy = FedAvg(fraction_train=1.0, fraction_evaluate=0.0)
    start = ArrayRecord(numpy_ndarrays=plain.loaded(DATA).values())
    strategy.start(grid=grid, initial_arrays=start, num_rounds=ROUNDS, evaluate_fn=note)
    (wall, cpu), (wall_end, cpu_end) = times[1], times[-1]
    counted = len(times) - 2
    print(
        "RESULT", json.dumps([(wall_end - wall) / counted, (cpu_end - cpu) / counted]), flush=True
    )


if __name__ == "__main__":
    clients = int(np.load(DATA)["clients"])
    resources = {
        "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
        "init_args": {"num_cpus": CPUS},
    }
    run_simulation(server_app, client_app, num_supernodes=clients, backend_config=resources)
