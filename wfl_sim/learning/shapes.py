"""Shapes of states: the same names and sizes on both ends of every hand-over."""

from wfl_sim.methods.aggregation import State


def shapes_of(state: State) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a state."""
    return {name: array.shape for name, array in state.items()}


def check_same(
    expected: dict[str, tuple[int, ...]], got: dict[str, tuple[int, ...]], what: str
) -> None:
    """Raise ValueError, naming the first difference, unless names and shapes are equal."""
    if expected == got:
        return
    for name in sorted({*expected, *got}):
        if expected.get(name) != got.get(name):
            raise ValueError(
                f"{what}: {name!r} must have shape {expected.get(name, 'none at all')}, "
                f"got {got.get(name, 'nothing')}"
            )
