"""Draw the rooms and their imports for docs/architecture.md, or check that the drawing fits.

    python -m tools.draw_architecture            write docs/images/architecture.svg
    python -m tools.draw_architecture --check    exit with 1 where the drawing no longer fits

An arrow says that a room imports another. Arrows that follow from others are left out.
"""

import re
from collections import defaultdict
from pathlib import Path
from typing import Final

import matplotlib as mpl
import networkx as nx
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from tools.import_graph import RANKS, ROOT, imports, room_of
from wfl_sim.cli.scripts import run_script, script_options

PICTURE: Final = ROOT / "docs/images/architecture.svg"

CONTENTS: Final[dict[str, str]] = {
    "cli": "commands, terminal",
    "flower": "Flower apps on\nthe simulated clock",
    "gym": "rounds as an environment\nof Gymnasium",
    "testing": "rules of kinds\nof one's own",
    "simulation": "build, run, sweep",
    "scenario": "what a user writes,\ntyped and checked",
    "rounds": "who waits for whom,\nclient selection",
    "network": "devices, cells, carriers,\nservers as SimPy processes",
    "learning": "models, PEFT, training:\nthe only room with torch",
    "radio": "OFDMA, allocation,\ninterference, channel",
    "execution": "tasks, store,\nexecutors",
    "data": "texts, divided\nover devices",
    "device_models": "hardware, energy,\nmobility",
    "methods": "federated\nalgorithms",
    "codecs": "states\nas bytes",
    "results": "run folder,\nfigures",
    "config": "YAML to checked objects; registry; errors\n(beside it: state, records, randomness)",
    "channel_models": "propagation: path loss, fading, link adaptation (numpy and scipy alone)",
}
_WIDE: Final = {"config": 5.6, "channel_models": 7.6}


def room_imports() -> nx.DiGraph:
    """Return the graph of the drawn rooms; an edge means that one imports the other."""
    graph = nx.DiGraph()
    graph.add_nodes_from(CONTENTS)
    for each in imports():
        source, target = room_of(each.source), room_of(each.target)
        if source != target and source in CONTENTS and target in CONTENTS:
            graph.add_edge(source, target)
    return graph


def described(graph: nx.DiGraph) -> str:
    """Return the imports between rooms as text, which the picture carries."""
    return "; ".join(f"{room}: {', '.join(sorted(graph[room])) or '-'}" for room in sorted(graph))


def draw(path: Path = PICTURE) -> None:
    """Write the picture."""
    graph = room_imports()
    ranks: dict[int, list[str]] = defaultdict(list)
    for room in CONTENTS:
        ranks[RANKS[room]].append(room)
    with mpl.rc_context({"svg.hashsalt": "wfl_sim", "svg.fonttype": "none"}):
        figure = Figure(figsize=(9.0, 10.6))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(-5.9, 5.5), ylim=(-0.75, 9.75))
        axes.axis("off")
        places = {}
        for rank, rooms in ranks.items():
            gap = 2.12 if len(rooms) > 2 else 3.2
            for number, room in enumerate(rooms):
                places[room] = ((number - (len(rooms) - 1) / 2) * gap, float(rank))
        for source, target in nx.transitive_reduction(graph).edges:
            (x, y), (u, v) = places[source], places[target]
            arrow = FancyArrowPatch(
                (x, y - 0.33),
                (u, v + 0.33),
                arrowstyle="-|>",
                mutation_scale=9,
                color="0.55",
                lw=0.8,
            )
            axes.add_patch(arrow)
        for room, (x, y) in places.items():
            width = _WIDE.get(room, 1.94 if len(ranks[RANKS[room]]) > 2 else 2.7)
            box = FancyBboxPatch(
                (x - width / 2, y - 0.3),
                width,
                0.6,
                boxstyle="round,pad=0.02",
                facecolor="#e8f1fa" if room != "learning" else "#fdebd3",
                edgecolor="#33608c",
            )
            axes.add_patch(box)
            axes.text(x, y + 0.17, room, ha="center", va="center", weight="bold", size=10)
            axes.text(x, y - 0.1, CONTENTS[room], ha="center", va="center", size=7.5)
        for rank in ranks:
            axes.text(-5.75, rank, str(rank), va="center", color="0.4", size=9)
        figure.savefig(path, metadata={"Date": None, "Description": described(graph)})


def is_current(path: Path = PICTURE) -> bool:
    """Return whether the picture has the imports of the present code."""
    found = re.search(r"<dc:description>(.*?)</dc:description>", path.read_text("utf-8"), re.DOTALL)
    return found is not None and found[1].strip() == described(room_imports())


def main() -> int:
    """Write or check the picture."""
    parser = script_options(__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing: say if it is old")
    if not parser.parse_args().check:
        draw()
    elif not is_current():
        print(f"{PICTURE.relative_to(ROOT)} is out of date: python -m tools.draw_architecture")
        return 1
    return 0


if __name__ == "__main__":
    run_script(main)
