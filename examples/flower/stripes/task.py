"""The network, its data and its training: stripes of four directions under noise."""

import torch
from torch import nn
from torch.nn import functional

SIZE, CLASSES = 12, 4


class Net(nn.Module):
    """Two convolutions and a linear layer."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.fc = nn.Linear(16 * (SIZE // 4) ** 2, CLASSES)

    def forward(self, images):
        """Return logits."""
        images = functional.max_pool2d(functional.relu(self.conv1(images)), 2)
        images = functional.max_pool2d(functional.relu(self.conv2(images)), 2)
        return self.fc(images.flatten(1))


def load_data(partition_id, count=64):
    """Return images and labels of a node; two of the four labels are three times as frequent."""
    rng = torch.Generator().manual_seed(partition_id + 1)
    odds = torch.ones(CLASSES)
    odds[[partition_id % CLASSES, (partition_id + 1) % CLASSES]] = 3.0
    labels = torch.multinomial(odds, count, replacement=True, generator=rng)
    x, y = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    waves = torch.stack([x, y, x + y, x - y]).float()[labels]
    phase = 6.3 * torch.rand(count, 1, 1, generator=rng)
    images = torch.sin(1.6 * waves + phase) + 0.8 * torch.randn(waves.shape, generator=rng)
    return images[:, None], labels


def train(net, data, *, epochs, lr, batch_size, anchor=None, mu=0.0):
    """Train; return the last epoch's mean loss. With `mu` a proximal term pulls to `anchor`."""
    images, labels = data
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    for _ in range(epochs):
        losses = []
        for batch in torch.randperm(len(labels)).split(batch_size):
            loss = functional.cross_entropy(net(images[batch]), labels[batch])
            losses.append(loss.item())
            if mu:
                pairs = zip(net.parameters(), anchor, strict=True)
                loss = loss + mu / 2 * sum(((w - a) ** 2).sum() for w, a in pairs)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return sum(losses) / len(losses)


@torch.no_grad()
def test(net, data):
    """Return loss and accuracy."""
    images, labels = data
    logits = net(images)
    accuracy = (logits.argmax(1) == labels).float().mean().item()
    return functional.cross_entropy(logits, labels).item(), accuracy
