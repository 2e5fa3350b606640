"""The ServerApp: FedAvg, FedProx, or an asynchronous server, by the key `strategy`."""

import torch
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg, FedProx

from stripes.task import Net, load_data, test

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Train for some rounds, or for as many updates as the rounds would have."""
    config = context.run_config
    torch.manual_seed(1)
    arrays = ArrayRecord(Net().state_dict())
    rounds = config["num-server-rounds"]
    if config["strategy"] == "async":
        asynchronous(grid, arrays, rounds * len(list(grid.get_node_ids())))
        return
    options = {"fraction_evaluate": config["fraction-evaluate"]}
    proximal = config["strategy"] == "fedprox"
    strategy = FedProx(proximal_mu=0.1, **options) if proximal else FedAvg(**options)
    strategy.start(
        grid=grid,
        initial_arrays=arrays,
        num_rounds=rounds,
        timeout=config["timeout"],
        evaluate_fn=evaluate,
    )


def evaluate(number: int, arrays: ArrayRecord) -> MetricRecord:
    """Test on data of no node."""
    net = Net()
    net.load_state_dict(arrays.to_torch_state_dict())
    loss, accuracy = test(net, load_data(4000, count=256))
    return MetricRecord({"loss": loss, "accuracy": accuracy})


def asynchronous(grid: Grid, arrays: ArrayRecord, updates: int) -> None:
    """Mix each update into the model when it arrives, and ask its node again (FedAsync)."""
    model = arrays.to_torch_state_dict()

    def ask(node: int, number: int) -> str:
        content = RecordDict({"arrays": ArrayRecord(model), "config": ConfigRecord({})})
        message = Message(content, node, "train", group_id=str(number))
        return next(iter(grid.push_messages([message])))

    waiting = {ask(node, 0) for node in grid.get_node_ids()}
    done = 0
    while done < updates:
        for reply in grid.pull_messages(waiting):
            waiting.discard(reply.metadata.reply_to_message_id)
            done += 1
            if reply.has_error():
                continue
            update = reply.content["arrays"].to_torch_state_dict()
            model = {name: 0.7 * old + 0.3 * update[name] for name, old in model.items()}
            waiting.add(ask(reply.metadata.src_node_id, done))
