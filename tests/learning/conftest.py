"""Tiny random networks in local folders, and shards to learn from: everything offline."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    DistilBertConfig,
    GPT2Config,
    LlamaConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
)

from wfl_sim.data.examples import Examples, Shards
from wfl_sim.learning.pretrained_model import Pretrained

WORDS = [f"w{i}" for i in range(40)]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]
SIZE = len(VOCABULARY)

CONFIGS: dict[str, PretrainedConfig] = {
    "bert": BertConfig(
        vocab_size=SIZE,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
        pad_token_id=0,
    ),
    "roberta": RobertaConfig(
        vocab_size=SIZE,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
    ),
    "distilbert": DistilBertConfig(
        vocab_size=SIZE, dim=32, n_layers=2, n_heads=2, hidden_dim=64, max_position_embeddings=32
    ),
    "gpt2": GPT2Config(
        vocab_size=SIZE,
        n_embd=32,
        n_layer=2,
        n_head=2,
        n_positions=32,
        bos_token_id=2,
        eos_token_id=3,
    ),
    "llama": LlamaConfig(
        vocab_size=SIZE,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
        bos_token_id=2,
        eos_token_id=3,
    ),
}

NO_DROPOUT = {
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "seq_classif_dropout": 0.0,
    "resid_pdrop": 0.0,
    "embd_pdrop": 0.0,
    "attn_pdrop": 0.0,
}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Pretrained]:
    """A function from architecture to a model folder, saved with a random network once."""

    def saved(kind: str) -> Pretrained:
        folder = tmp_path_factory.getbasetemp() / f"model-{kind}"
        if not folder.exists():
            _save(kind, folder)
        return Pretrained(pretrained=str(folder))

    return saved


@pytest.fixture(scope="session")
def quiet(
    pretrained: Callable[[str], Pretrained], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Pretrained]:
    """The same networks without dropout."""

    def made(kind: str) -> Pretrained:
        folder = tmp_path_factory.getbasetemp() / f"quiet-{kind}"
        if not folder.exists():
            shutil.copytree(pretrained(kind).pretrained, folder)
            config = json.loads((folder / "config.json").read_text())
            config |= {name: rate for name, rate in NO_DROPOUT.items() if name in config}
            (folder / "config.json").write_text(json.dumps(config))
        return Pretrained(pretrained=str(folder))

    return made


@pytest.fixture(scope="session")
def network() -> Callable[..., PreTrainedModel]:
    """A function from architecture and device to a fresh random network with three classes."""

    def built(kind: str = "bert", device: str = "cpu") -> PreTrainedModel:
        config = CONFIGS[kind]
        config.num_labels, config.pad_token_id = 3, 0
        with torch.random.fork_rng(devices=[]), torch.device(device):
            torch.manual_seed(0)
            model = AutoModelForSequenceClassification.from_config(
                config, attn_implementation="eager"
            )
        return model.requires_grad_(False).eval()

    return built


def _save(kind: str, folder: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        AutoModelForSequenceClassification.from_config(CONFIGS[kind]).save_pretrained(folder)
    inner = Tokenizer(WordLevel({word: i for i, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    inner.pre_tokenizer = Whitespace()
    inner.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        eos_token="[SEP]",
    ).save_pretrained(folder)


def written(size: int, classes: int, seed: int) -> Examples:
    """Texts of ten words, of which the label shifts the odds."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=size)
    share = len(WORDS) // classes
    texts = []
    for label in labels:
        own = rng.integers(label * share, (label + 1) * share, size=6)
        other = rng.integers(len(WORDS), size=4)
        texts.append(" ".join(WORDS[i] for i in rng.permutation([*own, *other])))
    return Examples(tuple(texts), labels)


@pytest.fixture(scope="session")
def shards() -> Shards:
    """Three devices, three classes; the last device holds fewer examples than a batch."""
    train = tuple(written(size, 3, seed) for seed, size in enumerate((40, 30, 5)))
    test = tuple(written(12, 3, seed) for seed in (10, 11, 12))
    return Shards(train, test, written(30, 3, 20), ("a", "b", "c"))
