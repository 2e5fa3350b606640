"""The forms in which instructions, conversations and pairs of answers are published."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import Any, Final

from wfl_sim.config.errors import in_json

Turn = tuple[str, str]
"""Role (`system`, `user` or `assistant`) and text."""

KINDS = ("open", "classification")
EMPTY, SAME, APART = (
    "an empty request or answer",
    "two answers that are the same",
    "answers to two different requests",
)
"""Why an example is left out."""

_ROLES: Final = MappingProxyType(
    {"human": "user", "prompter": "user", "gpt": "assistant", "chatgpt": "assistant"}
    | {"bot": "assistant", "model": "assistant"}
    | {name: name for name in ("system", "user", "assistant")}
)
_SPOKEN: Final = re.compile(r"(?:^|\n\n)(Human|Assistant):")
_ANTHROPIC: Final = MappingProxyType({"Human": "user", "Assistant": "assistant"})


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request and its answer, or why it is left out.

    Attributes:
        earlier: what was said before, with the system prompt first where there is one.
        rejected: the less preferred answer; None where there are no pairs.
    """

    request: str
    answer: str
    earlier: tuple[Turn, ...] = ()
    rejected: str | None = None

    @property
    def fault(self) -> str | None:
        """Why nothing can be learned from it."""
        if not self.request or not self.answer or self.rejected == "":
            return EMPTY
        return SAME if self.answer == self.rejected else None


def conversations(record: Mapping[str, Any], source: str) -> list[list[Exchange | str]]:
    """Return the conversations of a record, each with its exchanges or why one is left out.

    An answer of a conversation makes an exchange, with all that was said before it. The form is
    told by the keys: a pair has `chosen` and `rejected`, and its request in `prompt` or in both; a
    conversation has `messages` or `conversations`; else a task has `instruction`, with `input` or
    `context`, and `output` or `response`, or several of these in `instances`.

    Raises:
        ValueError: the record has none of these forms.
    """
    if "chosen" in record and "rejected" in record:
        return [[_pair(record, source)]]
    for key in ("messages", "conversations"):
        if key in record:
            said = [("system", record["system"])] if record.get("system") else []
            return [_exchanges(_merged(said + _turns(record[key], f"{source}: {key!r}")))]
    if "instruction" not in record:
        forms = "'instruction', 'messages', 'conversations' or both 'chosen' and 'rejected'"
        raise ValueError(f"{source}: must have {forms}, found {', '.join(record) or 'nothing'}")
    instances = record.get("instances", [record])
    if not isinstance(instances, list) or not all(isinstance(each, dict) for each in instances):
        raise ValueError(f"{source}: 'instances' must be a list of JSON objects")
    return [[_task(record, each, source)] for each in instances]


def kind_of(record: Mapping[str, Any], source: str) -> str:
    """Return the `topic` of a record, or `category` in Dolly's form, or one of `KINDS`."""
    key = "category" if "response" in record and "topic" not in record else "topic"
    kind = text_of(record, key, source) if key in record else ""
    return kind or KINDS[record.get("is_classification") is True]


def text_of(record: Mapping[str, Any], key: str, source: str, *, empty: bool = False) -> str:
    """Return a text of a record; raise ValueError where it is none, or empty but may not be."""
    value = record.get(key)
    if not isinstance(value, str) or not (empty or value.strip()):
        found = "nothing" if value is None else "an empty text" if value == "" else repr(value)
        raise ValueError(f"{source}: {key!r} must be a text, found {found}")
    return value.strip()


def _task(record: Mapping[str, Any], instance: Mapping[str, Any], source: str) -> Exchange:
    given = "context" if "context" in instance and "input" not in instance else "input"
    more = text_of(instance, given, source) if instance.get(given) else ""
    said = "response" if "response" in instance and "output" not in instance else "output"
    answer = text_of(instance, said, source, empty=True)
    request = "\n".join(filter(None, [text_of(record, "instruction", source), more]))
    return Exchange(request=request, answer=answer)


def _pair(record: Mapping[str, Any], source: str) -> Exchange | str:
    given = _turns(record.get("prompt", []), f"{source}: 'prompt'", alone="user")
    if given and given[-1] == ("assistant", ""):
        given = given[:-1]
    asked = []
    for key in ("chosen", "rejected"):
        turns = _turns(record[key], f"{source}: {key!r}", alone="assistant")
        if not turns or turns[-1][0] != "assistant":
            raise ValueError(f"{source}: {key!r} must end with an answer")
        asked.append(_merged(given + turns if turns[0][0] == "assistant" else turns))
    (*before, (_, answer)), (*other, (_, rejected)) = asked
    if before != other:
        return APART
    if not before or before[-1][0] != "user":
        raise ValueError(f"{source}: a pair must have a request, in 'prompt' or before its answers")
    (*earlier, (_, request)) = before
    return Exchange(request=request, answer=answer, earlier=tuple(earlier), rejected=rejected)


def _turns(value: Any, source: str, alone: str = "") -> list[Turn]:
    """Return the turns of a list of messages, or of a text in Anthropic's form.

    Any other text is one turn of the role `alone`, where there is such a role.
    """
    if isinstance(value, str) and alone:
        _, *parts = _SPOKEN.split(value.strip())
        if not _SPOKEN.match(value.strip()):
            return [(alone, value.strip())]
        pairs = zip(parts[::2], parts[1::2], strict=True)
        return [(_ANTHROPIC[name], text.strip()) for name, text in pairs]
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        either = "a text or " if alone else ""
        raise ValueError(f"{source} must be {either}a list of messages, found {in_json(value)}")
    turns = []
    for message in value:
        role, text = ("from", "value") if "from" in message else ("role", "content")
        name = text_of(message, role, source)
        if name not in _ROLES:
            known = ", ".join(sorted(_ROLES))
            raise ValueError(f"{source}: no role {name!r} is known (roles: {known})")
        turns.append((_ROLES[name], text_of(message, text, source, empty=True)))
    return turns


def _merged(turns: Sequence[Turn]) -> list[Turn]:
    """Return turns of which no two that follow each other have the same role."""
    groups = groupby(turns, key=lambda turn: turn[0])
    return [(role, "\n".join(text for _, text in each)) for role, each in groups]


def _exchanges(turns: Sequence[Turn]) -> list[Exchange | str]:
    found: list[Exchange | str] = []
    for place, (role, text) in enumerate(turns):
        if role == "assistant":
            asked = turns[place - 1] if place else ("", "")
            request = asked[1] if asked[0] == "user" else ""
            earlier = tuple(turns[: max(place - 1, 0)])
            found.append(Exchange(request=request, answer=text, earlier=earlier))
    return found or [EMPTY]
