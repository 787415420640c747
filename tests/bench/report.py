"""What was measured as the tables of docs/performance.md."""

import os

from faults.report import machine, markdown, plain

from .bars import BARS
from .scenarios import SCENARIOS

__all__ = ["machine", "markdown", "plain"]
NOTHING = "–"
PARTS = ("machine", "bars", *(scenario.name for scenario in SCENARIOS))


def marks(part):
    """Between which it stands in the document."""
    return f"<!-- {part}: made by scripts/bench --write -->", f"<!-- {part}: end of what scripts/bench made -->"


def bars_table(results):
    rows = [("scenario", "what", "must be", "measured", "")]
    for bar in BARS:
        value = bar.value(results)
        measured = NOTHING if value is None else f"{value:.2f} {bar.unit}"
        rows.append((bar.scenario, bar.what, f"{bar.must} {bar.limit:g} {bar.unit}", measured, bar.verdict(results)))
    return rows


def scenario_table(scenario, results):
    """Its rows: only contenders that have run."""
    ran = results.runs.get(scenario.name, {})
    rows = [("", *(column.title for column in scenario.columns))]
    rows += [(contender.title, *(cell(scenario.name, name, column, results) for column in scenario.columns))
             for name, contender in scenario.contenders.items() if name in ran]
    return rows


def cell(scenario, contender, column, results):
    """A median with least and most of its rounds; of a ratio the median alone."""
    if column.base:
        value = results.ratio((scenario, contender, column.measure), (*column.base, column.measure))
        return NOTHING if value is None else f"**{column.form.format(value)}**"
    value = results.median(scenario, contender, column.measure)
    if value is None:
        return NOTHING
    least, most = results.spread(scenario, contender, column.measure)
    text = column.form.format(value)
    return text if least == most else f"{text} ({column.form.format(least)}–{column.form.format(most)})"


def endings(scenario, results):
    """Why each search ended, as sentences."""
    for name, rounds in results.runs.get(scenario.name, {}).items():
        ends = sorted({one["ended_by"] for one in rounds if one.get("ended_by")})
        if ends:
            yield f"{scenario.contenders[name].title}: ended by {'; '.join(ends)}."


def remarks(scenario, results):
    """What stands below a scenario's table."""
    return [*endings(scenario, results), *results.repeated(scenario.name)]


def where(versions):
    """The machine, and what ran on it."""
    kernel = f"kernel {os.uname().release.split('-')[0]}"
    return f"{machine()} ({kernel}). {', '.join(versions)}."


def parts(results, place):
    """{part: text} of what the document says."""
    texts = {"machine": place, "bars": markdown(bars_table(results))}
    for scenario in SCENARIOS:
        texts[scenario.name] = markdown(scenario_table(scenario, results))
        notes = remarks(scenario, results)
        if notes:
            texts[scenario.name] += "\n\n" + "\n".join(f"- {note}" for note in notes)
    return texts


def write(path, texts):
    """Puts them between their marks; all of these must be in the document."""
    document = path.read_text(encoding="utf-8")
    for part, text in texts.items():
        begin, end = (document.index(mark) for mark in marks(part))
        document = f"{document[:begin]}{marks(part)[0]}\n{text}\n{document[end:]}"
    path.write_text(document, encoding="utf-8")
