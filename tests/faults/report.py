"""What the cases have shown, as the table of docs/reliability.md."""

import os
import re

BEGIN = "<!-- made by scripts/faults --write -->"
END = "<!-- end of what scripts/faults made -->"
HEAD = ("fault", "acknowledged", "delivered", "offline", "lost", "doubled", "disordered", "longest gap", "must be 0")


class Outcome:
    """Of one case: what gridbench counted, or why it broke off."""

    def __init__(self, case, result=None, problem=None):
        self.case, self.result, self.problem = case, result, problem

    def sum(self, column):
        return self.result["rooms"][column] + self.result["users"][column]

    @property
    def broken(self):
        """What of the promise was not kept, in words; empty when all was."""
        if self.problem:
            return [f"broke off: {self.problem}"]
        return [f"{self.split(column)} {column}" for column in self.case.promise if self.sum(column)]

    @property
    def warnings(self):
        if self.result and self.result["generator"]["saturated"]:
            yield "gridbench was too slow itself: do not trust the times"

    def split(self, column):
        """A sum, and where it is not 0 what it is made of."""
        if not self.sum(column):
            return "0"
        return f"{self.sum(column)} (rooms {self.result['rooms'][column]}, users {self.result['users'][column]})"

    def row(self):
        promise = ", ".join(self.case.promise)
        if self.problem:
            return [self.case.title, *["–"] * 7, promise]
        return [self.case.title, str(self.result["publishes"]["acknowledged"]), str(self.sum("delivered")),
                str(self.result["users"]["offline"]), *map(self.split, ("lost", "doubled", "disordered")),
                f"{self.result['longest_gap_ms'] / 1000:.1f} s", promise]

    def as_json(self):
        return {"case": self.case.name, "promise": list(self.case.promise), "broken": self.broken, "result": self.result}


def markdown(rows):
    return "\n".join("| " + " | ".join(row) + " |" for row in [HEAD, ["---"] * len(HEAD), *rows]).replace(" --- ", "---")


def plain(rows):
    """In columns, for a terminal."""
    rows = [HEAD, *([cell.replace("`", "") for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as text:
        model = re.search(r"^model name\s*:\s*(.*)$", text.read(), re.M)
    with open("/proc/meminfo", encoding="utf-8") as text:
        memory = int(re.search(r"^MemTotal:\s+(\d+) kB", text.read(), re.M).group(1))
    return (f"{os.cpu_count()} cores{f' ({model.group(1)})' if model else ''}, {memory / 1048576:.0f} GB, "
            f"Linux {'.'.join(os.uname().release.split('.')[:2])}")


def write(path, rows, where):
    """Puts the table between the two marks of the document."""
    text = path.read_text(encoding="utf-8")
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    path.write_text(f"{text[:begin]}\n{markdown(rows)}\n\nOn {where}.\n{text[end:]}", encoding="utf-8")


def titles(path):
    """The faults in the document's table."""
    text = path.read_text(encoding="utf-8")
    table = text[text.index(BEGIN):text.index(END)]
    return [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines() if line.startswith("| ")][1:]
