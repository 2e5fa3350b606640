"""tiny-bert: shipped as pretrained, better than chance, and its pretraining repeats."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForPreTraining,
)

from tools.pretraining.newswire_corpus import documents
from tools.pretraining.pretrain_tiny_bert import (
    Recipe,
    digest,
    held_out_losses,
    pretrain,
    random_bert,
)
from tools.pretraining.sentence_pairs import PairSampler
from tools.pretraining.word_vectors import word_vectors
from wfl_sim.data.newswire_grammar import lexicon
from wfl_sim.learning.pretrained import BUILTINS, builtin
from wfl_sim.randomness import stream


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(builtin("tiny-bert"))


@pytest.fixture(scope="module")
def network():
    return BertForPreTraining.from_pretrained(builtin("tiny-bert")).eval()


def test_an_unknown_name_is_corrected():
    with pytest.raises(ValueError, match=r"'tiny-brt', did you mean 'tiny-bert'\? \(known: .*tiny"):
        builtin("tiny-brt")


@pytest.mark.parametrize("name", sorted(BUILTINS))
def test_a_builtin_is_small(name):
    assert sum(file.stat().st_size for file in builtin(name).iterdir()) < 4e6


def test_tiny_bert_is_a_classifier_in_float32():
    folder = builtin("tiny-bert")
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=8)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    encoded = AutoTokenizer.from_pretrained(folder)(["The striker scored."], return_tensors="pt")
    assert model(**encoded).logits.shape == (1, 8)


class TestTinyBert:
    def test_the_weights_are_those_of_their_record(self, network):
        origin = json.loads((builtin("tiny-bert") / "origin.json").read_text())
        assert digest(network) == origin["digest"]

    def test_it_beats_its_random_start_by_far(self, network, tokenizer):
        words, follows = held_out_losses(network, tokenizer)
        random_words, random_follows = held_out_losses(random_bert(len(tokenizer), 0), tokenizer)
        assert random_words > np.log(len(tokenizer)) - 1
        assert words < 0.4 * random_words
        assert follows < 0.6 * random_follows

    def test_topics_are_its_own_discovery(self, network, tokenizer):
        """A masked noun is guessed from the topic of the words around it."""
        guesses = {}
        for about, text in {
            "sport": "The striker equalised in the stadium and the [MASK] was scored.",
            "health": "The surgeon was examined in the hospital and the [MASK] was treated.",
        }.items():
            encoded = tokenizer(text, return_tensors="pt")
            at = (encoded["input_ids"][0] == tokenizer.mask_token_id).nonzero().item()
            with torch.no_grad():
                chances = network(**encoded).prediction_logits[0, at].softmax(-1)
            known = tokenizer.get_vocab()
            mass = {
                topic: sum(chances[known[word]].item() for word in slots["thing"] if word in known)
                for topic, slots in lexicon().topics.items()
            }
            guesses[about] = max(mass, key=mass.__getitem__)
        assert guesses == {"sport": "sport", "health": "health"}

    def test_most_words_of_the_language_are_one_token(self, tokenizer):
        words = {w for slots in lexicon().topics.values() for ws in slots.values() for w in ws}
        whole = [word for word in words if len(tokenizer.tokenize(word)) == 1]
        assert len(whole) > 0.9 * len(words)
        assert tokenizer.unk_token_id not in tokenizer(sorted(words) + list(lexicon().regional))


class TestPretraining:
    @pytest.mark.slow
    def test_it_repeats_to_the_bit_in_another_process(self):
        """Two short trainings, under another hash seed and number of threads, give one network."""
        code = (
            "from tools.pretraining.pretrain_tiny_bert import *\n"
            "recipe = Recipe(documents=300, vocabulary=600, steps=6, batch=8)\n"
            "model, tokenizer = pretrain(recipe)\n"
            "print(digest(model), sorted(tokenizer.get_vocab().items()))"
        )
        other = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": "2", "OMP_NUM_THREADS": "2", "PATH": ""},
        ).stdout
        model, tokenizer = pretrain(Recipe(documents=300, vocabulary=600, steps=6, batch=8))
        assert other == f"{digest(model)} {sorted(tokenizer.get_vocab().items())}\n"

    def test_the_corpus_is_plain(self):
        """Words of the region never meet words of a topic, so they carry none."""
        regional = set(lexicon().regional)
        common = {word for words in lexicon().common.values() for word in words}
        topical = {w for slots in lexicon().topics.values() for ws in slots.values() for w in ws}
        met = 0
        for document in documents(400, 4, seed=3):
            words = set(" ".join(document).lower().replace(",", "").replace(".", "").split())
            if words & regional:
                met += 1
                assert not words & (topical - common)
        assert met > 0

    def test_half_of_the_pairs_are_unrelated_and_15_percent_masked(self, tokenizer):
        sampler = PairSampler.over(documents(200, 4, seed=5), tokenizer)
        batch = sampler.draw(400, stream(0, "pairs"))
        assert batch["next_sentence_label"].float().mean().item() == pytest.approx(0.5, abs=0.08)
        words = (batch["attention_mask"] == 1).sum().item() - 3 * 400
        asked = batch["labels"] != -100
        assert asked.sum().item() / words == pytest.approx(0.15, abs=0.02)
        hidden = batch["input_ids"][asked] == tokenizer.mask_token_id
        kept = batch["input_ids"][asked] == batch["labels"][asked]
        assert hidden.float().mean().item() == pytest.approx(0.8, abs=0.04)
        assert kept.float().mean().item() == pytest.approx(0.1, abs=0.03)
        assert (batch["token_type_ids"].sum(axis=1) > 1).all()

    def test_word_vectors_bring_companions_together(self):
        """Two closed circles of words: near within a circle, apart between circles."""
        rng = stream(0, "circles")
        written = [list(rng.permutation(10)[:4] + 10 * (i % 2)) for i in range(400)]
        vectors = word_vectors(written, vocabulary=21, width=4)
        assert vectors.std() == pytest.approx(1.0, rel=1e-5)
        assert not vectors[20].any()
        unit = vectors[:20] / np.linalg.norm(vectors[:20], axis=1, keepdims=True)
        likeness = unit @ unit.T
        assert likeness[:10, :10].mean() > likeness[:10, 10:].mean() + 0.5

    def test_the_recipe_is_the_shipped_one(self):
        origin = json.loads((builtin("tiny-bert") / "origin.json").read_text())
        assert origin["recipe"] == vars(Recipe())
