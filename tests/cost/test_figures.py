"""What scripts/cost reads from callgrind, when it says no, and that recorded figures and document are complete."""

import pytest

from cost import callgrind, figures, recorded, report
from cost.callgrind import Cost, for_annotate, parse

# As valgrind 3.19 writes it, shortened. main was entered before counting began.
DUMP = """\
# callgrind format
version: 1
thread: 2

positions: line
events: Ir
summary: 190

ob=/usr/lib/libwebsockets.so.17
fl=???
fn=0x000000000001efe0
0 30
cob=/usr/lib/libc.so.6
cfi=./socket/send.c
cfn=send
calls=3 26
0 60

ob=/usr/lib/libc.so.6
fl=./socket/send.c
fn=send
26 45
28 15

ob=/src/gridnode
fl=/src/main.c
fn=main
cfn=loop_run
calls=0 38
78 190

fn=walk
10 40
cfn=walk'2
calls=2 10
11 60

fn=walk'2
10 60

totals: 190
"""


def cost(instructions, **calls):
    return Cost({"f": instructions}, calls)


def test_parse():
    thread, parsed = parse(DUMP)
    assert thread == 2
    assert parsed.own == {"libwebsockets.so.17:0x000000000001efe0": 30, "send": 60, "walk": 100}
    assert parsed.instructions == 190, "as its summary says: what callees took is counted once"
    assert parsed.calls["send"] == 3 and parsed.calls["walk"] == 2


def test_callers_from_before_are_left_out():
    text = for_annotate(DUMP)
    assert "calls=0" not in text and "78 190" not in text
    assert parse(text)[1].own == parse(DUMP)[1].own


def test_costs_are_reckoned_with():
    slope = (cost(1200, send=120) - cost(200, send=20)) / 100
    assert slope.instructions == pytest.approx(10) and slope.calls["send"] == pytest.approx(1)
    assert (cost(5) + cost(3) * 2).instructions == 11


def test_idle_time_is_no_cost():
    loop, consumer, publisher = figures.LOOP, 2, 3
    tick = {loop: cost(1000, on_timer=1), consumer: cost(10), publisher: cost(0)}
    ticked = {loop: cost(5000 + 3000, on_timer=3, send=1), consumer: cost(700 + 30), publisher: cost(9)}
    without = figures.without_idle(ticked, tick)
    assert {thread: one.instructions for thread, one in without.items()} == {
        loop: pytest.approx(5000), consumer: pytest.approx(700), publisher: 9}
    assert without[loop].calls["send"] == 1 and without[loop].calls["on_timer"] == pytest.approx(0)


def test_the_cheapest_part_of_each_thread():
    parts = [{1: cost(10), 2: cost(7)}, {1: cost(9), 2: cost(8)}]
    assert {thread: one.instructions for thread, one in figures.cheapest(parts).items()} == {1: 9, 2: 7}


@pytest.mark.parametrize("syscall, waits", [
    ("232 0x3 0x4035ef0 0x40 0x61 0x0 0x0 0x1ffe 0x5f", True), ("232 0x3 0x4035ef0 0x40 0x8 0x0 0x0 0x1ffe 0x5f", False),
    ("7 0x5a96d10 0x2 0x3e8 0x0 0x0 0x0 0x1ffe 0x5f", True), ("7 0x5a96d10 0x2 0x5 0x0 0x0 0x0 0x1ffe 0x5f", False),
    ("7 0x5a96d10 0x1 0xffffffff 0x0 0x0 0x0 0x1ffe 0x5f", True), ("202 0x38 0x80 0x2 0x0 0x0 0x0 0x1ffe 0x5f", False),
    ("running", False),
])
def test_what_a_thread_waits_for(tmp_path, syscall, waits):
    (tmp_path / "syscall").write_text(syscall + "\n")
    (tmp_path / "status").write_text("Name:\tgridnode\nvoluntary_ctxt_switches:\t42\nnonvoluntary_ctxt_switches:\t7\n")
    assert callgrind.state(tmp_path) == (waits, 42)


@pytest.mark.parametrize("kind, name", [
    ("allocations", "malloc"), ("allocations", "calloc"), ("allocations", "realloc"),
    ("copies", "memcpy@GLIBC_2.2.5"), ("copies", "memmove"), ("copies", "__memcpy_sse2_unaligned"),
    ("copies", "__memcpy_chk"), ("writes", "send"), ("writes", "writev"), ("writes", "write"),
    ("registrations", "epoll_ctl"),
])
def test_calls_are_known(kind, name):
    assert {one: Cost(calls={name: 1}).count(pattern) for one, pattern in figures.CALLS.items()} == \
        {one: int(one == kind) for one in figures.CALLS}


@pytest.mark.parametrize("measured, change", [(1051, "+5.1%"), (949, "-5.1%")])
def test_more_and_less_are_differences(measured, change):
    (difference,) = recorded.compare({"local.ping": 1000}, {"local.ping": cost(measured)})
    assert change in str(difference) and "1,000 instructions recorded" in str(difference)


@pytest.mark.parametrize("measured", [1049, 1000, 951])
def test_within_the_tolerance(measured):
    assert recorded.compare({"local.ping": 1000}, {"local.ping": cost(measured)}) == []


def test_a_copy_too_many():
    within = cost(800, memcpy=0.001, send=1)
    assert recorded.excesses({"local.delivery": within}) == []
    (excess,) = recorded.excesses({"local.delivery": within + Cost(calls={"memcpy": 1})})
    assert str(excess) == "local.delivery: 1.00 copies, and at most 0 are allowed"


def test_what_differs_is_said():
    then = {"compiler": "GNU C11 12.2.0 -O2", "valgrind": "3.19"}
    assert recorded.differences(then, dict(then)) == []
    assert recorded.differences(then, {**then, "compiler": "GNU C17 14.2.0 -O2"}) == [
        "compiler: GNU C11 12.2.0 -O2 recorded, GNU C17 14.2.0 -O2 here"]


@pytest.mark.parametrize("debian, parts, expected", [
    ("4.1.6-3", 3, "4.1.6"), ("1:4.33-1", 2, "4.33"), ("3.0.17-1~deb12u2", 2, "3.0"), ("2.36-9+deb12u13", 2, "2.36"),
    ("", 2, "unknown"),
])
def test_versions(monkeypatch, debian, parts, expected):
    monkeypatch.setattr(recorded, "_output", lambda *_: debian)
    assert recorded.version("package", parts) == expected


def test_all_figures_are_recorded():
    conditions, instructions = recorded.load()
    assert set(instructions) == set(figures.FIGURES)
    assert {"machine", "compiler", *recorded.PACKAGES} == set(conditions)


def test_the_document_has_what_is_recorded():
    text = report.DOCUMENT.read_text(encoding="utf-8")
    table = text[text.index(report.MARKS[0]):text.index(report.MARKS[1])]
    _, instructions = recorded.load()
    for name, count in instructions.items():
        assert f"| `{name}` {figures.FIGURES[name].title} | {count:,} |" in table, "scripts/cost --record writes both"
