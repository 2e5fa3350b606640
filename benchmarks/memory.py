"""Peak memory of a LoRA step and of an evaluation, beside plain transformers and peft.

Networks have random weights, six layers 384 wide: an encoder that classifies texts of 512 tokens,
and a decoder of 32,000 words that learns answers of 256 tokens to requests of as many. Every number
is of a fresh process, whose high-water mark is reset (Linux) when the network is loaded: what a
step takes is the peak from there, less what the process held. A step is forward, backward and
AdamW on 4 texts; an evaluation takes losses in passes of the same size both ways, on few and on
many texts. The plain way is what a loop of transformers and peft does.

    .venv/bin/python benchmarks/memory.py [--only encoder|decoder]
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import torch

from wfl_sim.cli.scripts import run_script, script_options

BATCH, TOKENS, ANSWER, CLASSES = 4, 512, 256, 4
WORDS: Final = {"encoder": 8000, "decoder": 32000}
PASS: Final = {"encoder": 128, "decoder": 2}
"""Texts of one pass of an evaluation, those of wfl_sim."""
MIB: Final = 2**20


def main() -> None:
    parser = script_options(__doc__)
    parser.add_argument("--only", choices=tuple(WORDS))
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        kind, way, work = asked.child
        print(measured(kind, way, work))
        return
    print("MiB above the loaded network        plain  wfl_sim  ratio")
    for kind in [asked.only] if asked.only else WORDS:
        for work in ("step", "evaluation of 1 pass", "evaluation of 3 passes"):
            plain, own = (in_a_process(kind, way, work) for way in ("plain", "wfl_sim"))
            print(f"{kind}, {work:<24} {plain:8.0f} {own:8.0f}  {own / plain:5.2f}", flush=True)


def in_a_process(*child: str) -> float:
    command = [sys.executable, __file__, "--child", *child]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measured(kind: str, way: str, work: str) -> float:
    """Return the MiB that a step or an evaluation takes beyond the loaded network."""
    torch.manual_seed(0)
    texts = BATCH if work == "step" else int(work.split()[2]) * PASS[kind]
    ids = torch.randint(5, WORDS[kind], (texts, TOKENS))
    run = (plain_way if way == "plain" else own_way)(kind, ids, work == "step")
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    run()
    return (memory("VmHWM") - before) / MIB


def memory(name: str) -> int:
    (line,) = [x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(name)]
    return 1024 * int(line.split()[1])


def network(kind: str) -> Any:
    """Return a network with fused attention, as transformers chooses it and `attention: sdpa`."""
    from transformers import (
        AutoModelForCausalLM,
        AutoModelForSequenceClassification,
        BertConfig,
        LlamaConfig,
    )

    shape = {"vocab_size": WORDS[kind], "hidden_size": 384, "num_hidden_layers": 6}
    if kind == "encoder":
        quiet = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        config = BertConfig(
            **shape, **quiet, intermediate_size=1536, num_attention_heads=6, num_labels=CLASSES
        )
        model = AutoModelForSequenceClassification.from_config(config)
    else:
        heads = {"num_attention_heads": 6, "num_key_value_heads": 6}
        config = LlamaConfig(**shape, **heads, intermediate_size=1024, use_cache=False)
        model = AutoModelForCausalLM.from_config(config)
    return model.requires_grad_(False).eval()


def plain_way(kind: str, ids: torch.Tensor, step: bool) -> Any:
    from peft import LoraConfig, get_peft_model

    classifies = kind == "encoder"
    lora = LoraConfig(
        task_type="SEQ_CLS" if classifies else "CAUSAL_LM",
        r=8,
        lora_alpha=16,
        target_modules=["query", "value"] if classifies else ["q_proj", "v_proj"],
    )
    model = get_peft_model(network(kind), lora)
    labels = torch.zeros(len(ids), dtype=torch.int64)
    if not classifies:
        labels = ids.clone()
        labels[:, :-ANSWER] = -100
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)

    def loss(rows: slice) -> torch.Tensor:
        some = ids[rows]
        found = model(input_ids=some, attention_mask=torch.ones_like(some), labels=labels[rows])
        return found.loss

    def train() -> None:
        model.train()
        loss(slice(None)).backward()
        optimizer.step()
        optimizer.zero_grad()

    def evaluate() -> None:
        model.eval()
        with torch.inference_mode():
            for first in range(0, len(ids), PASS[kind]):
                loss(slice(first, first + PASS[kind])).item()

    return train if step else evaluate


def own_way(kind: str, ids: torch.Tensor, step: bool) -> Any:
    from wfl_sim.learning.adapted_model import AdaptedModel
    from wfl_sim.learning.causal.evaluation import perplexity
    from wfl_sim.learning.causal.prompts import Conversations, PromptBatch
    from wfl_sim.learning.tokenized import TokenizedTexts
    from wfl_sim.methods import FedIT
    from wfl_sim.methods.objectives import Sparsity
    from wfl_sim.methods.phases import Local

    method = FedIT(local=Local(steps=1, batch=BATCH, lr=1e-3))
    adapted = AdaptedModel(network(kind), method.parts, 1)
    adapted.reset(adapted.parts, 0)
    (phase,) = method.phases
    if kind == "encoder":
        labels = torch.zeros(len(ids), dtype=torch.int64)
        texts: Any = TokenizedTexts(ids, torch.ones_like(ids), labels)
        evaluate: Any = adapted.evaluate
    else:
        request, answer = ids[:, :-ANSWER], ids[:, -ANSWER:]
        prompts = PromptBatch(request, torch.ones_like(request), answer, torch.ones_like(answer))
        texts = Conversations(Nothing(), prompts, None) if step else prompts  # type: ignore[arg-type]
        evaluate = lambda given: perplexity(adapted.model, given, Sparsity())  # noqa: E731
    if step:
        return lambda: adapted.train_phase(0, phase, texts, 0)
    return lambda: evaluate(texts)


class Nothing:
    """Instructions whose words do not matter."""

    def subset(self, chosen: object) -> "Nothing":
        return self


if __name__ == "__main__":
    run_script(main)
