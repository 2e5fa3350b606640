"""The ClientApp."""

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from stripes.task import Net, load_data, test, train

app = ClientApp()


@app.train()
def fit(message: Message, context: Context) -> Message:
    """Train the network that has arrived on the data of this node."""
    net = Net()
    net.load_state_dict(message.content["arrays"].to_torch_state_dict())
    loss = train(
        net,
        load_data(context.node_config["partition-id"]),
        epochs=context.run_config["local-epochs"],
        lr=context.run_config["learning-rate"],
        batch_size=context.run_config["batch-size"],
        anchor=[each.detach().clone() for each in net.parameters()],
        mu=message.content["config"].get("proximal-mu", 0.0),
    )
    calls = context.state.get("calls", MetricRecord({"count": 0}))
    context.state["calls"] = MetricRecord({"count": calls["count"] + 1})
    metrics = MetricRecord({"train_loss": loss, "num-examples": 64})
    content = RecordDict({"arrays": ArrayRecord(net.state_dict()), "metrics": metrics})
    return Message(content=content, reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Test the network that has arrived on fresh data of this node."""
    net = Net()
    net.load_state_dict(message.content["arrays"].to_torch_state_dict())
    loss, accuracy = test(net, load_data(1000 + context.node_config["partition-id"]))
    metrics = MetricRecord({"eval_loss": loss, "eval_accuracy": accuracy, "num-examples": 64})
    return Message(content=RecordDict({"metrics": metrics}), reply_to=message)
