"""Federated averaging of LoRA and head by transformers and peft alone: no simulator, no wfl_sim."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForSequenceClassification

RANK = 8


class Plain:
    """One network for all clients, and their texts as numbers."""

    def __init__(self, data: Path) -> None:
        """Load network and texts.

        Args:
            data: an npz with `model`, a folder; and `ids`, `mask`, `labels` of each client.
        """
        torch.set_num_threads(1)
        found = np.load(data)
        self.steps, self.batch, self.lr = (
            int(found["steps"]),
            int(found["batch"]),
            float(found["lr"]),
        )
        self.clients = [
            {
                "input_ids": torch.from_numpy(found[f"ids_{n}"]),
                "attention_mask": torch.from_numpy(found[f"mask_{n}"]),
                "labels": torch.from_numpy(found[f"labels_{n}"]),
            }
            for n in range(int(found["clients"]))
        ]
        torch.manual_seed(0)
        base = AutoModelForSequenceClassification.from_pretrained(
            str(found["model"]), num_labels=int(found["classes"]), dtype=torch.float32
        )
        config = LoraConfig(
            r=RANK, lora_alpha=2 * RANK, target_modules=["query", "value"], task_type="SEQ_CLS"
        )
        self.model = get_peft_model(base, config).train()
        self.trained = {n: p for n, p in self.model.named_parameters() if p.requires_grad}

    def values(self) -> list[np.ndarray]:
        """Return a copy of what learns."""
        return [p.detach().numpy().copy() for p in self.trained.values()]

    def update(self, values: list[np.ndarray], client: int, rng: np.random.Generator) -> None:
        """Take the steps of one client, from `values`."""
        with torch.no_grad():
            for parameter, value in zip(self.trained.values(), values, strict=True):
                parameter.copy_(torch.from_numpy(value))
        optimizer = torch.optim.AdamW(
            self.trained.values(), lr=self.lr, weight_decay=0.0, fused=True
        )
        texts = self.clients[client]
        size, needed = len(texts["labels"]), self.steps * self.batch
        order = np.concatenate([rng.permutation(size) for _ in range(-(-needed // size))])
        for rows in torch.from_numpy(order[:needed]).split(self.batch):
            loss = self.model(**{name: each[rows] for name, each in texts.items()}).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

    def round(self, values: list[np.ndarray], number: int) -> list[np.ndarray]:
        """Return the weighted mean of the updates of all clients."""
        sums = [np.zeros(value.shape) for value in values]
        sizes = [len(texts["labels"]) for texts in self.clients]
        for client, size in enumerate(sizes):
            self.update(values, client, np.random.default_rng((number, client)))
            for total, parameter in zip(sums, self.trained.values(), strict=True):
                total += size / sum(sizes) * parameter.detach().numpy()
        return [total.astype(np.float32) for total in sums]


@lru_cache(maxsize=1)
def loaded(data: str) -> Plain:
    """Return the network of this process, loaded once."""
    return Plain(Path(data))
