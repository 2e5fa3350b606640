"""What is said of checkpoints, tokenizers and texts that cannot be used, before a run begins."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from wfl_sim.data.examples import Examples, Instructions, PromptLengths, Shards
from wfl_sim.learning.base_models.model_loading import load_model, load_tokenizer, read_headers
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.inspection import inspect
from wfl_sim.methods.fedit import FedIT

Folder = Callable[[str], Pretrained]


@pytest.fixture
def copied(pretrained: Folder, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a tiny network that a test may spoil."""
    return lambda kind: Path(shutil.copytree(pretrained(kind).pretrained, tmp_path / kind))


def configured(file: Path, **values: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def spoil_pointer(folder: Path) -> None:
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n"
    (folder / "model.safetensors").write_text(text)


def spoil_length(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def spoil_format(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def spoil_rows(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    name = "bert.embeddings.word_embeddings.weight"
    weights[name] = torch.cat([weights[name], weights[name][:1]])
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def spoil_vocabulary(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<user>", "<url>"])
    tokenizer.save_pretrained(folder)


def spoil_adapter(folder: Path) -> None:
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')


def spoil_tokenizer(folder: Path) -> None:
    for file in folder.glob("tokenizer*"):
        file.unlink()


def spoil_config(folder: Path) -> None:
    configured(folder / "config.json", num_attention_heads="two")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_pointer, r"model\.safetensors is a pointer of git-lfs: fetch it"),
        (spoil_length, r"model\.safetensors is no whole safetensors file, perhaps cut short"),
        (spoil_format, r"has no model\.safetensors, but pytorch_model\.bin: load it and save"),
        (spoil_rows, r"word_embeddings\.weight has the shape \(45, 32\) .* and \(44, 32\) by"),
        (spoil_vocabulary, r"tokens up to number 45, and there are embeddings for 44"),
        (spoil_adapter, r"holds an adapter beside the model \(adapter_config\.json\)"),
        (spoil_tokenizer, r"tokenizer"),
        (spoil_config, r"cannot load .*"),
    ],
)
def test_a_spoiled_checkpoint_is_one_line(
    copied: Callable[[str], Path], shards: Shards, spoil: Callable[[Path], None], message: str
) -> None:
    folder = copied("bert")
    spoil(folder)
    with pytest.raises(ValueError, match=message) as caught:
        inspect(Pretrained(pretrained=str(folder)), shards, (), 12)
    assert "\n" not in str(caught.value)


def test_a_whole_checkpoint_is_said_nothing_of_but_its_new_head(
    copied: Callable[[str], Path], shards: Shards
) -> None:
    folder = copied("bert")  # with a head of two classes
    found = inspect(Pretrained(pretrained=str(folder)), shards, (), 12)
    assert found.new == ("classifier.bias", "classifier.weight")
    assert found.remarks == ()


def test_headers_are_read_without_values(pretrained: Folder) -> None:
    network, new = read_headers(pretrained("bert"), 2, 0)
    assert network.device.type == "meta"
    assert new == set()
    shapes = {
        name: value.shape for name, value in load_model(pretrained("bert"), 2, 0).named_parameters()
    }
    assert {name: value.shape for name, value in network.named_parameters()} == shapes


def test_unknown_words_are_counted(pretrained: Folder, shards: Shards) -> None:
    """Of 10 words of each text 3 become unknown; the last is a known one in another case."""

    def foreign(text: str) -> str:
        return " ".join([*text.split()[:7], "ah", "oh", "W1"])

    train = tuple(replace(each, texts=tuple(map(foreign, each.texts))) for each in shards.train)
    found = inspect(pretrained("bert"), replace(shards, train=train), (), 12)
    assert found.remarks[0].startswith("30.0% of the tokens of ")
    few = tuple(replace(each, texts=("ah", *each.texts[1:])) for each in shards.train)
    assert inspect(pretrained("bert"), replace(shards, train=few), (), 12).remarks == ()


def test_what_is_cut_is_counted(pretrained: Folder, shards: Shards) -> None:
    """Each text has 10 words between two marks."""
    model = pretrained("bert")
    assert inspect(model, shards, (), 12).on_texts == ()
    (said,) = inspect(model, shards, (), 11).on_texts
    assert said == "all texts are longer than the 11 tokens of `tokens`: they lose their end"
    one = replace(shards.train[0], texts=(*shards.train[0].texts[1:], "w1 " * 11))
    one = replace(shards, train=(one, *shards.train[1:]))
    assert inspect(model, one, (), 12).on_texts == ()  # one of 47 is not worth a line
    some = replace(shards.train[0], texts=(*["w1 " * 11] * 7, *shards.train[0].texts[7:]))
    (said,) = inspect(model, replace(shards, train=(some, *shards.train[1:])), (), 12).on_texts
    assert said.startswith("about 10% of the texts are")


def test_cut_requests_and_answers_are_counted(
    copied: Callable[[str], Path], shards: Shards
) -> None:
    model = Pretrained(pretrained=str(language_model(copied)))
    every = asked(shards)

    def cut(request: int, answer: int) -> tuple[str, ...]:
        layout = PromptLengths(request=request, answer=answer)
        train = tuple(replace(each, layout=layout) for each in every.train)
        return inspect(model, replace(every, train=train), (), 12).on_texts

    assert cut(99, 99) == ()
    assert cut(4, 99) == (
        "all requests are longer than the 4 tokens of `request_tokens`: they lose their beginning",
    )
    (end,) = cut(99, 2)
    assert end.endswith(
        "answers are longer than the 2 tokens of `answer_tokens`: they lose their end"
    )


def test_a_head_that_is_not_used_is_said(pretrained: Folder, shards: Shards) -> None:
    def of_two(examples: Examples) -> Examples:
        return replace(examples, labels=examples.labels % 2)

    two = replace(  # classes, as the checkpoint
        shards,
        train=tuple(map(of_two, shards.train)),
        test=tuple(map(of_two, shards.test)),
        pooled=of_two(shards.pooled),
        classes=("a", "b"),
    )
    model, parts = pretrained("bert"), FedIT().parts
    (said,) = inspect(model, two, (), 12, parts).remarks
    assert "has a head of 2 classes, which is not used" in said
    assert inspect(model, shards, (), 12, parts).remarks == ()
    assert inspect(replace(model, fresh=True), two, (), 12, parts).remarks == ()


def test_a_reward_model_needs_its_own_head(copied: Callable[[str], Path], shards: Shards) -> None:
    folder = copied("bert")
    reward = Pretrained(pretrained=str(folder))
    assert inspect(reward, shards, [(reward, 2)], 12).remarks == ()
    weights = load_file(folder / "model.safetensors")
    kept = {name: weight for name, weight in weights.items() if "classifier" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    assert inspect(reward, shards, (), 12).new
    with pytest.raises(ValueError, match=r"lacks 2 weights, such as classifier\.bias"):
        inspect(reward, shards, [(reward, 2)], 12)


def language_model(copied: Callable[[str], Path], folder: str = "gpt2") -> Path:
    made = copied(folder)
    weights = load_file(made / "model.safetensors")
    kept = {name: weight for name, weight in weights.items() if not name.startswith("score")}
    save_file(kept, made / "model.safetensors", metadata={"format": "pt"})
    return made


def asked(shards: Shards) -> Shards:
    def instructions(examples: object) -> Instructions:
        return Instructions(examples.texts, examples.labels, answers=examples.texts)  # type: ignore[attr-defined]

    return Shards(
        tuple(map(instructions, shards.train)),
        tuple(map(instructions, shards.test)),
        instructions(shards.pooled),
        shards.classes,
    )


def test_a_language_model_needs_an_end(copied: Callable[[str], Path], shards: Shards) -> None:
    """It is found in the tokenizer, else in generation_config.json, else in config.json."""
    folder = language_model(copied)
    model = Pretrained(pretrained=str(folder))
    assert load_tokenizer(model).eos_token == "[SEP]"
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    del settings["eos_token"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "generation_config.json").write_text('{"eos_token_id": [2, 3]}')
    assert load_tokenizer(model).eos_token == "[CLS]"
    (folder / "generation_config.json").unlink()
    assert load_tokenizer(model).eos_token == "[SEP]"
    configured(folder / "config.json", eos_token_id=None)
    with pytest.raises(ValueError, match="no token ends a text"):
        inspect(model, asked(shards), (), 12)


def test_a_chat_template_that_raises_is_named(
    copied: Callable[[str], Path], shards: Shards
) -> None:
    folder = language_model(copied)
    template = "{{ raise_exception('a system turn is needed') }}"
    (folder / "chat_template.jinja").write_text(template)
    with pytest.raises(ValueError, match="template refuses a request: a system turn is needed"):
        inspect(Pretrained(pretrained=str(folder)), asked(shards), (), 12)


def test_an_answer_ends_as_the_chat_template_ends_it(copied: Callable[[str], Path]) -> None:
    folder = language_model(copied)
    template = "{% for m in messages %}[CLS] {{ m['content'] }} w1 [CLS] w2 {% endfor %}"
    (folder / "chat_template.jinja").write_text(template)
    tokenizer = load_tokenizer(Pretrained(pretrained=str(folder)))
    assert tokenizer.eos_token == "[CLS]"
    assert tokenizer.pad_token == "[PAD]"


def test_an_encoder_decoder_writes_no_answers(tmp_path: Path, shards: Shards) -> None:
    from tools.models.checkpoints import checkpoint

    folder = checkpoint("Bart", tmp_path / "bart")
    with pytest.raises(ValueError, match="is a 'bart', which writes no text"):
        inspect(Pretrained(pretrained=str(folder)), asked(shards), (), 12)
