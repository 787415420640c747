"""The pictures of docs/performance.md."""

import dataclasses
import math
from typing import Optional

from .bars import BARS
from .scenarios import SCENARIOS
from .svg import Picture

WIDTH, LEFT, RIGHT, TOP, ROW = 760, 300, 90, 64, 30
PLOT_LEFT, PLOT_RIGHT = 70, 236
KINDS = {"local": "ours", "rabbitmq": "ours2", "redis": "ours", "limit": "limit", "limit-batch": "limit", "nats": "c1",
         "nchan": "c2", "bridge": "c3", "socketio": "c4"}


def title_of(scenario, name):
    """A contender's, as the scenario's table has it."""
    return next(one for one in SCENARIOS if one.name == scenario).contenders[name].title


@dataclasses.dataclass(frozen=True)
class Row:
    title: str
    value: float
    least: float
    most: float
    kind: str


def _rows(results, scenario, measure, base=1.0, leave_out=()):
    """Of all contenders that have it, the least first."""
    rows = []
    for name in results.runs.get(scenario, {}):
        value = results.median(scenario, name, measure)
        if value is None or name in leave_out:
            continue
        least, most = results.spread(scenario, name, measure)
        kind = KINDS.get(name, "other")
        rows.append(Row(title_of(scenario, name), value / base, least / base, most / base,
                        kind if kind.startswith(("ours", "limit")) else "other"))
    return sorted(rows, key=lambda row: row.value)


def bars(title, unit, rows, mark: Optional[float] = None):
    """Lying bars with the range of the rounds; `mark`: what they must not be above, drawn across."""
    height = TOP + ROW * len(rows) + 40
    picture = Picture(WIDTH, height, title)
    picture.text(16, 26, title, "title")
    picture.text(16, 46, unit + (f"; gridnode's bar, dashed: {mark:g}" if mark else ""), "faint")
    most = max([row.most for row in rows] + [mark or 0])
    scale = (WIDTH - LEFT - RIGHT) / most
    bottom = TOP + ROW * len(rows)
    for tick in ticks(most):
        picture.line(LEFT + tick * scale, TOP - 6, LEFT + tick * scale, bottom, "grid")
        picture.text(LEFT + tick * scale, bottom + 18, f"{tick:g}", "faint number", "middle")
    for at, row in enumerate(rows):
        _bar(picture, TOP + ROW * at, row, scale)
    if mark:
        picture.line(LEFT + mark * scale, TOP - 10, LEFT + mark * scale, bottom + 2, "mark")
    return str(picture)


def _bar(picture, y, row, scale):
    middle = y + ROW / 2 - 3
    picture.text(LEFT - 10, middle + 4, row.title, anchor="end")
    picture.box(LEFT, y + 2, row.value * scale, ROW - 10, row.kind)
    picture.line(LEFT + row.least * scale, middle, LEFT + row.most * scale, middle, "whisker")
    picture.text(LEFT + row.most * scale + 8, middle + 4, number(row.value), "number")


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def short(value):
    """5 k, 2 M."""
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def ticks(most, about=8):
    """Round numbers from 0 to `most`."""
    step = 10 ** math.floor(math.log10(most / about))
    step *= next(factor for factor in (1, 2, 5, 10) if most / (step * factor) <= about)
    return [step * i for i in range(math.floor(most / step) + 1)]


class Log:
    """A logarithmic axis from `least` to `most` over these pixels."""

    def __init__(self, least, most, begin, end):
        self.least, self.most, self.begin = math.log10(least), math.log10(most), begin
        self.scale = (end - begin) / (self.most - self.least)

    def __call__(self, value):
        return self.begin + (math.log10(value) - self.least) * self.scale

    def ticks(self):
        """1, 2, 5, 10, … within."""
        decades = range(math.floor(self.least), math.floor(self.most) + 1)
        return [tick for decade in decades for tick in (10 ** decade, 2 * 10 ** decade, 5 * 10 ** decade)
                if self.least - 1e-9 <= math.log10(tick) <= self.most + 1e-9]


def curves(title, lines):
    """p99 over deliveries/s; `lines`: {name in KINDS: [(deliveries/s, p99 in ms)]}."""
    height, bottom = 470, 400
    picture = Picture(WIDTH, height, title)
    picture.text(16, 26, title, "title")
    points = [point for line in lines.values() for point in line]
    x = Log(min(p[0] for p in points) / 1.2, max(p[0] for p in points) * 1.2, PLOT_LEFT, WIDTH - PLOT_RIGHT)
    y = Log(min(p[1] for p in points) / 1.3, max(p[1] for p in points) * 1.3, bottom, TOP - 12)
    _axes(picture, x, y, bottom)
    for at, (name, line) in enumerate(sorted(lines.items(), key=lambda item: -max(p[0] for p in item[1]))):
        place = [(x(rate), y(ms)) for rate, ms in sorted(line)]
        picture.path(place, KINDS.get(name, "other"))
        for dot in place:
            picture.dot(*dot, KINDS.get(name, "other"))
        legend = TOP + 24 * at
        picture.line(WIDTH - PLOT_RIGHT + 14, legend, WIDTH - PLOT_RIGHT + 38, legend, KINDS.get(name, 'other'))
        picture.text(WIDTH - PLOT_RIGHT + 46, legend + 4, title_of("room500-max", name))
    return str(picture)


def _axes(picture, x, y, bottom):
    for rate in x.ticks():
        picture.line(x(rate), TOP - 12, x(rate), bottom, "grid")
        picture.text(x(rate), bottom + 20, short(rate), "faint number", "middle")
    for ms in y.ticks():
        picture.line(PLOT_LEFT, y(ms), WIDTH - PLOT_RIGHT, y(ms), "grid")
        picture.text(PLOT_LEFT - 10, y(ms) + 4, f"{ms:g}", "faint number", "end")
    picture.line(PLOT_LEFT, bottom, WIDTH - PLOT_RIGHT, bottom, "axis")
    picture.line(PLOT_LEFT, y(250), WIDTH - PLOT_RIGHT, y(250), "mark")
    picture.text(PLOT_LEFT + 6, y(250) - 5, "250 ms", "faint")
    picture.text((PLOT_LEFT + WIDTH - PLOT_RIGHT) / 2, bottom + 46, "deliveries/s", "faint", "middle")
    picture.text(16, 46, "p99 in ms", "faint")


def _bar_of(scenario, what):
    return next(bar for bar in BARS if bar.scenario == scenario and bar.what.startswith(what)).limit


def _first_round(results, scenario):
    """What each search tried, while it was looking from far off."""
    rounds = {name: all_of[0] for name, all_of in results.runs.get(scenario, {}).items()}
    return {name: [point for point in one["tried"] if min(point) > 0] for name, one in rounds.items() if one.get("tried")}


def pictures(results):
    """{name: SVG} of all that can be drawn from these results."""
    drawn = {}
    one_send = results.median("room500", "limit", "cpu_us")
    if one_send:
        drawn["cpu"] = bars("One room of 500, 100 messages/s: CPU of a delivery",
                            "as a multiple of one send() by a bare epoll loop; less is better",
                            _rows(results, "room500", "cpu_us", one_send, ("limit-batch",)))
        most = _rows(results, "room500-max", "cpu_us", one_send, ("local-at-nats",))
        if most:
            drawn["cpu-highest"] = bars("The same room at the highest rate: CPU of a delivery",
                                        "as a multiple of one send() at 100 messages/s; less is better", most,
                                        _bar_of("room500-max", "CPU"))
    lines = _first_round(results, "room500-max")
    if lines:
        drawn["latency"] = curves("One room of 500: how late the slowest hundredth is", lines)
    memory = _rows(results, "idle", "kb")
    if memory:
        drawn["memory"] = bars("Memory of an idle connection", "KB, in one room and with one user; less is better", memory,
                               _bar_of("idle", "memory"))
    return drawn


def write(folder, drawn):
    folder.mkdir(exist_ok=True)
    for name, text in drawn.items():
        (folder / f"{name}.svg").write_text(text, encoding="utf-8")
