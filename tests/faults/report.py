"""What the cases have shown, as the tables of docs/reliability.md."""

import os
import re

HEADS = {
    "rabbitmq": ("fault", "acknowledged", "delivered", "offline", "lost", "doubled", "disordered", "longest gap",
                 "must be 0"),
    "fallback": ("fault", "nodes", "acknowledged", "refused", "delivered", "lost", "doubled", "disordered", "longest gap",
                 "at most", "must be 0"),
}


def marks(table):
    """Between which the table stands."""
    return f"<!-- {table}: made by scripts/faults --write -->", f"<!-- {table}: end of what scripts/faults made -->"


class Outcome:
    """Of one case: what gridbench counted, or why it broke off."""

    def __init__(self, case, result=None, problem=None):
        self.case, self.result, self.problem = case, result, problem

    def count(self, column):
        publishes = self.result["publishes"]
        if column == "acknowledged":
            return publishes["acknowledged"]
        if column == "refused":
            return publishes["refused"] + publishes["unknown"]
        if column == "closed":
            return self.result["connections"]["reconnects"]
        if column == "offline":
            return self.result["users"]["offline"]
        return self.result["rooms"][column] + self.result["users"][column]

    @property
    def gap(self):
        return self.result["longest_gap_ms"] / 1000

    @property
    def saturated(self):
        return self.result["generator"]["saturated"]

    @property
    def broken(self):
        """What of the promise was not kept, in words; empty when all was."""
        if self.problem:
            return [f"broke off: {self.problem}"]
        broken = [f"{self.split(column)} {column}" for column in self.case.promise if self.count(column)]
        if self.case.gap and self.gap > self.case.gap and not self.saturated:
            broken.append(f"a gap of {self.gap:.1f} s")
        return broken

    @property
    def warnings(self):
        if self.result and self.saturated:
            yield "gridbench was too slow itself: do not trust the times"

    def split(self, column):
        """A count, and where it is not 0 and of both what it is made of."""
        if not self.count(column) or column not in ("lost", "doubled", "disordered"):
            return str(self.count(column))
        return f"{self.count(column)} (rooms {self.result['rooms'][column]}, users {self.result['users'][column]})"

    def cell(self, column):
        if column == "fault":
            return self.case.title
        if column == "nodes":
            return str(self.case.nodes)
        if column == "must be 0":
            return ", ".join(self.case.promise)
        if column == "at most":
            return f"{self.case.gap} s" if self.case.gap else "–"
        if self.problem:
            return "–"
        return f"{self.gap:.1f} s" if column == "longest gap" else self.split(column)

    def row(self):
        return [self.cell(column) for column in HEADS[self.case.table]]

    def as_json(self):
        return {"case": self.case.name, "promise": list(self.case.promise), "broken": self.broken, "result": self.result}


def tables(outcomes):
    """{table: rows with its head} of those that have any."""
    rows = {name: [one.row() for one in outcomes if one.case.table == name] for name in HEADS}
    return {name: [HEADS[name], *some] for name, some in rows.items() if some}


def markdown(rows):
    head, *rest = rows
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rest]).replace(" --- ", "---")


def plain(rows):
    """In columns, for a terminal."""
    rows = [[cell.replace("`", "") for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as text:
        model = re.search(r"^model name\s*:\s*(.*)$", text.read(), re.M)
    with open("/proc/meminfo", encoding="utf-8") as text:
        memory = int(re.search(r"^MemTotal:\s+(\d+) kB", text.read(), re.M).group(1))
    return (f"{os.cpu_count()} cores{f' ({model.group(1)})' if model else ''}, {memory / 1048576:.0f} GB, "
            f"Linux {'.'.join(os.uname().release.split('.')[:2])}")


def _place(text, table):
    """Where in the document it stands."""
    begin, end = marks(table)
    return text.index(begin) + len(begin), text.index(end)


def write(path, table, rows, where):
    """Puts it into the document."""
    text = path.read_text(encoding="utf-8")
    begin, end = _place(text, table)
    path.write_text(f"{text[:begin]}\n{markdown(rows)}\n\nOn {where}.\n{text[end:]}", encoding="utf-8")


def titles(path, table):
    """The faults in the document's table."""
    text = path.read_text(encoding="utf-8")
    begin, end = _place(text, table)
    return [line.split(" | ")[0].removeprefix("| ") for line in text[begin:end].splitlines() if line.startswith("| ")][1:]
