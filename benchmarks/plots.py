"""Draws the findings. The same findings give the same bytes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.findings import Costs, Findings, median
from benchmarks.loads import Run
from benchmarks.servers import FLOOR, OURS

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "mock-atoms",
    "svg.fonttype": "none",  # text stays text: small, and sharp
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Helvetica", "Arial", "sans-serif"],
    "font.size": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
INK, OUR_COLOUR, FLOOR_COLOUR, OTHER_COLOUR = "#24292f", "#d9480f", "#adb5bd", "#4c6ef5"


def throughput(lists: Mapping[int, Mapping[str, Sequence[Run]]], path: Path) -> None:
    """Draw the requests a second of each server as bars."""
    busy = {connections: runs for connections, runs in lists.items() if connections > 1}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 0.9 + 0.42 * max(len(runs) for runs in busy.values())), layout="constrained")
        axes = figure.subplots(1, len(busy), sharex=True, squeeze=False)[0]
        for panel, (connections, runs) in zip(axes, busy.items(), strict=True):
            rates = {name: median(each, "rate") for name, each in runs.items()}
            names = sorted(rates, key=lambda name: rates[name])
            colours = [{OURS: OUR_COLOUR, FLOOR: FLOOR_COLOUR}.get(name, OTHER_COLOUR) for name in names]
            bars = panel.barh(names, [rates[name] for name in names], color=colours, height=0.66)
            panel.bar_label(bars, labels=[f"{rates[name]:,.0f}" for name in names], padding=4, color=INK)
            panel.set_title(f"{connections} connections", loc="left", color=INK)
            panel.set_xlim(0, 1.2 * max(median(each, "rate") for runs in busy.values() for each in runs.values()))
            panel.spines["bottom"].set_visible(False)
            panel.tick_params(bottom=False, labelbottom=False, left=False, labelcolor=INK)
        figure.supxlabel("lists a second, each server on one core", fontsize=10, color=INK)
        _save(figure, path)


def growth(found: Findings, path: Path) -> None:
    """Draw the cost of a request as the server holds more data."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 3.2), layout="constrained")
        tenants, rules, journal = figure.subplots(1, 3, sharey=True)
        _by_size(tenants, "tenants", found.tenants)
        _by_size(rules, "rules for other tenants", found.rules)
        _line(journal, list(found.journal), found.journal)
        journal.axvline(found.journal_size, color=FLOOR_COLOUR, linestyle="--", linewidth=1)
        journal.annotate(" full", (found.journal_size, 0), xytext=(0, 4), textcoords="offset points", color=INK)
        journal.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        journal.set_xticks([0, found.journal_size, 2 * found.journal_size])
        journal.set_xlabel("requests since the journal was empty", color=INK)
        for panel, title in ((tenants, "16 connections"), (rules, "16 connections"), (journal, "1 connection")):
            panel.set_title(title, loc="left", color=INK, fontsize=10)
        tenants.set_ylabel("CPU time a request, µs", color=INK)
        tenants.set_ylim(bottom=0)
        _save(figure, path)


def _by_size(axes: Axes, name: str, runs: Mapping[int, Costs]) -> None:
    """Draw sizes at equal distances: each is about ten times its predecessor."""
    _line(axes, range(len(runs)), runs)
    axes.set_xticks(range(len(runs)), [f"{size:,}" for size in runs])
    axes.set_xlabel(name, color=INK)


def _line(axes: Axes, places: Sequence[int], costs: Mapping[int, Costs]) -> None:
    figures = [[1e6 * each.cpu for each in some] for some in costs.values()]
    axes.fill_between(
        places,
        [min(some) for some in figures],
        [max(some) for some in figures],
        color=OUR_COLOUR,
        alpha=0.15,
        linewidth=0,
    )
    axes.plot(
        places, [1e6 * median(some, "cpu") for some in costs.values()], color=OUR_COLOUR, marker="o", markersize=4
    )
    axes.grid(axis="y", color="#e9ecef")
    axes.set_axisbelow(True)
    axes.tick_params(labelcolor=INK, color=FLOOR_COLOUR)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None, "Creator": None} if path.suffix == ".svg" else None, dpi=120)
