"""Pretrain tiny-bert: `python -m tools.pretraining.pretrain_tiny_bert --out DIR`.

A BERT of 2 layers, width 128 and 2 heads learns masked words and next sentences, the objective of

    J. Devlin, M.-W. Chang, K. Lee, K. Toutanova, BERT: Pre-training of Deep Bidirectional
    Transformers for Language Understanding, NAACL 2019, arXiv:1810.04805,

on text that the project generates (newswire_corpus.py). One thread and named streams: the same
seed, processor type and versions of torch, transformers and tokenizers give the same bytes; on
another processor or version the weights differ in rounding. Weights are stored as float32.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import torch
from transformers import BertConfig, BertForPreTraining, BertTokenizer

from tools.pretraining.newswire_corpus import documents
from tools.pretraining.sentence_pairs import PairSampler
from tools.pretraining.stages import warmup_and_decay
from tools.pretraining.vocabulary import wordpiece
from tools.pretraining.word_vectors import word_vectors
from wfl_sim.cli.scripts import run_script, script_options
from wfl_sim.randomness import derived_seed, stream


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How tiny-bert is pretrained; the defaults are the shipped network's.

    `documents` documents of `sentences` sentences; `steps` of `batch` sentence pairs; the learning
    rate `lr` rises over the first tenth of the steps and then falls to zero, both linearly.
    """

    documents: int = 20_000
    sentences: int = 4
    vocabulary: int = 2560
    steps: int = 4000
    batch: int = 32
    lr: float = 1e-3
    weight_decay: float = 0.01
    seed: int = 0


def corpus_tokenizer(recipe: Recipe) -> BertTokenizer:
    """Return a tokenizer with a vocabulary counted on the corpus."""
    written = documents(recipe.documents, recipe.sentences, recipe.seed)
    tokenizer = wordpiece((" ".join(document) for document in written), recipe.vocabulary)
    return BertTokenizer(tokenizer_object=tokenizer, model_max_length=128)


def random_bert(vocabulary: int, seed: int) -> BertForPreTraining:
    """Return the network before pretraining."""
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=512,
        max_position_embeddings=128,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        # the usual 0.02 is for width 768; the same scale of activations at width 128
        initializer_range=0.05,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "pretraining", "initial-weights"))
        return BertForPreTraining(config)


def start_from_word_vectors(model: BertForPreTraining, sampler: PairSampler) -> None:
    """Set the embeddings to the documents' word vectors, at the initial scale, and some noise."""
    config = model.config
    vectors = word_vectors(sampler.documents(), config.vocab_size, config.hidden_size)
    with torch.no_grad():
        weight = model.bert.embeddings.word_embeddings.weight
        weight.mul_(0.2).add_(torch.from_numpy(vectors) * config.initializer_range)


def pretraining_loss(
    model: BertForPreTraining, batch: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean cross-entropies, in nats, of the masked words and of "is the next sentence"."""
    output = model.bert(
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        token_type_ids=batch["token_type_ids"],
    )
    # only masked positions need the vocabulary's logits: a sixth of the work of all positions
    masked = batch["labels"] != -100
    words = model.cls.predictions(output.last_hidden_state[masked])
    follows = model.cls.seq_relationship(output.pooler_output)
    return (
        torch.nn.functional.cross_entropy(words, batch["labels"][masked]),
        torch.nn.functional.cross_entropy(follows, batch["next_sentence_label"]),
    )


def pretrain(recipe: Recipe, report_every: int = 0) -> tuple[BertForPreTraining, BertTokenizer]:
    """Build the tokenizer and train the network; print the losses every `report_every` steps."""
    tokenizer = corpus_tokenizer(recipe)
    written = documents(recipe.documents, recipe.sentences, recipe.seed)
    sampler = PairSampler.over(written, tokenizer)
    rng = stream(recipe.seed, "pretraining", "batches")
    model = random_bert(len(tokenizer), recipe.seed)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay
    )
    schedule = warmup_and_decay(optimizer, recipe.steps)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        start_from_word_vectors(model, sampler)
        model.train()
        for step in range(1, recipe.steps + 1):
            words, follows = pretraining_loss(model, sampler.draw(recipe.batch, rng))
            optimizer.zero_grad()
            (words + follows).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            if report_every and step % report_every == 0:
                print(
                    f"{step:5d}  masked {words.item():.3f}  next {follows.item():.3f}", flush=True
                )
    finally:
        torch.set_num_threads(threads)
    return model.eval(), tokenizer


def held_out_losses(
    model: BertForPreTraining, tokenizer: BertTokenizer, seed: int = 1
) -> tuple[float, float]:
    """Losses (masked word, next sentence), in nats, on text of another seed."""
    sampler = PairSampler.over(documents(500, 4, seed), tokenizer)
    with torch.no_grad():
        words, follows = pretraining_loss(
            model, sampler.draw(512, stream(seed, "pretraining", "held-out"))
        )
    return words.item(), follows.item()


def digest(model: torch.nn.Module) -> str:
    """Return the SHA-256 of the names and values of the weights."""
    state = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        state.update(name.encode())
        state.update(value.detach().contiguous().numpy().tobytes())
    return state.hexdigest()


def save(model: BertForPreTraining, tokenizer: BertTokenizer, recipe: Recipe, folder: Path) -> None:
    """Write the folder that transformers loads, and `origin.json`: how the weights were made."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    words, follows = held_out_losses(model, tokenizer)
    origin = {
        "recipe": asdict(recipe),
        "versions": {name: version(name) for name in ("torch", "transformers", "tokenizers")},
        "digest": digest(model),
        "held_out": {"masked_word_nats": round(words, 4), "next_sentence_nats": round(follows, 4)},
    }
    (folder / "origin.json").write_text(json.dumps(origin, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Pretrain and save."""
    parser = script_options(__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    options = parser.parse_args()
    recipe = Recipe(steps=options.steps, seed=options.seed)
    model, tokenizer = pretrain(recipe, report_every=100)
    save(model, tokenizer, recipe, options.out)


if __name__ == "__main__":
    run_script(main)
