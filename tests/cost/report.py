"""What the figures say to people: a table, where instructions went, how far measurements differ."""

import statistics

from gridtest.util import ROOT

from .figures import CALLS, FIGURES

DOCUMENT = ROOT / "docs" / "performance.md"
MARKS = "<!-- cost: made by scripts/cost --record -->", "<!-- cost: end of what scripts/cost made -->"
HEAD = ["", "instructions", *CALLS]
TOP = 12


def rows(costs):
    """A row per figure; calls with two digits where they are not whole."""
    return [[f"`{name}` {figure.title}", f"{costs[name].instructions:,.0f}",
             *(_calls(costs[name].count(pattern)) for pattern in CALLS.values())]
            for name, figure in FIGURES.items() if name in costs]


def _calls(n):
    return f"{n:.0f}" if abs(n - round(n)) < 0.05 else f"{n:.2f}"


def markdown(table):
    return "\n".join("| " + " | ".join(row) + " |" for row in [HEAD, ["---"] + ["--:"] * (len(HEAD) - 1), *table])


def plain(table):
    """In columns, for a terminal."""
    table = [[cell.replace("`", "") for cell in row] for row in [HEAD, *table]]
    widths = [max(map(len, column)) for column in zip(*table)]
    return "\n".join("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in table)


def write(costs, conditions):
    """Puts the table into the document, and what it holds for."""
    text = DOCUMENT.read_text(encoding="utf-8")
    begin, end = text.index(MARKS[0]) + len(MARKS[0]), text.index(MARKS[1])
    where = ", ".join(f"{name} {value}" for name, value in conditions.items())
    DOCUMENT.write_text(f"{text[:begin]}\n{markdown(rows(costs))}\n\nOn {where}.\n{text[end:]}", encoding="utf-8")


def where_spent(cost):
    """The functions that take most, with what they take themselves and how often they are called."""
    return "\n".join(f"    {own:10,.1f}  {cost.calls.get(name, 0):8.2f} calls  {name}" for name, own in cost.own.most_common(TOP))


def spread(name, costs):
    """Of repeated measurements of one figure."""
    instructions = [cost.instructions for cost in costs]
    least, most, middle = min(instructions), max(instructions), statistics.median(instructions)
    return f"{name:24} {least:12,.1f} {middle:12,.1f} {most:12,.1f}   {max(most - middle, middle - least) / middle:7.2%}"
