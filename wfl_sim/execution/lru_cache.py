"""A cache that drops the least recently used values."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class LruCache(Generic[T]):
    """Values by key; the least recently used ones go while the sum of sizes exceeds a limit.

    The newest value stays, even if it alone exceeds the limit.

    >>> cache = LruCache[str](limit=2)
    >>> cache["a"], cache["b"] = "first", "second"
    >>> cache["a"]
    'first'
    >>> cache["c"] = "third"
    >>> "a" in cache, "b" in cache
    (True, False)

    Args:
        limit: of the sum of sizes.
        size_of: returns the size of a value; 1 by default, so that `limit` is a number of values.
    """

    def __init__(self, limit: float, size_of: Callable[[T], int] = lambda _: 1) -> None:
        self._limit = limit
        self._size_of = size_of
        self._size = 0
        self._values: OrderedDict[str, T] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __getitem__(self, key: str) -> T:
        self._values.move_to_end(key)
        return self._values[key]

    def __setitem__(self, key: str, value: T) -> None:
        if key in self._values:
            self._size -= self._size_of(self._values.pop(key))
        self._values[key] = value
        self._size += self._size_of(value)
        while self._size > self._limit and len(self._values) > 1:
            _, oldest = self._values.popitem(last=False)
            self._size -= self._size_of(oldest)
