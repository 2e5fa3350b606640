"""The tokenizer of tiny-gpt2: whole words of generated requests, and letters for all others."""

import string
from typing import Final

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from wfl_sim.data.instruct_rules import ASKS, MOST, REFUSAL, tokens, world

PAD, UNKNOWN, USER, BOT, END = SPECIAL = ("<pad>", "<unk>", "<user>", "<bot>", "<end>")
TEMPLATE: Final = (
    "{% for m in messages %}"
    "{% if m['role'] == 'system' %}{{ raise_exception('there is no system prompt') }}{% endif %}"
    "{% if m['role'] == 'user' %}<user> {{ m['content'] }} "
    "{% else %}<bot> {{ m['content'] }} <end> {% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<bot>{% endif %}"
)
"""how transformers writes a conversation down (Jinja)"""
CONTEXT: Final = 128


def chat_tokenizer() -> PreTrainedTokenizerFast:
    """Return a lower-case WordPiece tokenizer: marks, words in alphabetical order, letters."""
    letters = string.ascii_lowercase + string.digits
    vocabulary = [
        *SPECIAL,
        *string.punctuation,
        *sorted(_words() - {*string.punctuation}),
        *letters,
    ]
    vocabulary += ["##" + letter for letter in letters]
    numbered = {token: i for i, token in enumerate(dict.fromkeys(vocabulary))}
    tokenizer = Tokenizer(models.WordPiece(vocab=numbered, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(cleanup=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNKNOWN,
        eos_token=END,
        additional_special_tokens=[USER, BOT],
        chat_template=TEMPLATE,
        model_max_length=CONTEXT,
        padding_side="right",
    )


def _words() -> set[str]:
    words = world()
    steps = [
        step for acts in (words.unsafe, words.borderline) for told in acts.values() for step in told
    ]
    lines = [*words.nouns, *words.objects, *words.colours, *words.guards, *words.unsafe]
    lines += [*words.borderline, *steps, REFUSAL, *(ask.replace("{}", "") for ask in ASKS)]
    lines += [*map(str, range(MOST + 1)), "what is plus minus ?", "sort : reverse how many", "to"]
    lines += ["the is . what colour is the"]
    return {word for line in lines for word in tokens(line)}
