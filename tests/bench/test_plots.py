"""The pictures: well-formed, with all that was measured in them, and to scale."""

import xml.etree.ElementTree

import pytest

from bench import plots
from bench.results import Results
from bench.svg import Picture

SVG = "{http://www.w3.org/2000/svg}"


def parsed(text):
    return xml.etree.ElementTree.fromstring(text)


def texts(tree):
    return [one.text for one in tree.iter(f"{SVG}text")]


def bars_of(tree):
    return [float(one.get("width")) for one in tree.iter(f"{SVG}rect")]


def row(title, value, kind="ours"):
    return plots.Row(title, value, value * 0.9, value * 1.1, kind)


def test_what_is_written_is_escaped():
    picture = Picture(100, 50, 'a "b" <c> & d')
    picture.text(1, 2, "<&>", 'x"y')
    tree = parsed(str(picture))
    assert tree.get("aria-label") == 'a "b" <c> & d' and texts(tree) == ["<&>"]


def test_bars_are_as_long_as_what_they_stand_for():
    tree = parsed(plots.bars("title", "unit", [row("one", 1.0), row("four", 4.0, "other")], 2.0))
    one, four = bars_of(tree)
    assert four == pytest.approx(4 * one, rel=0.01)
    assert {"one", "four", "1.00", "4.00", "unit; gridnode's bar, dashed: 2"} <= set(texts(tree))


def test_curves_are_on_logarithmic_axes():
    axis = plots.Log(1, 10000, 0, 400)
    assert [axis(value) for value in (1, 10, 100, 10000)] == pytest.approx([0, 100, 200, 400])
    assert axis.ticks() == [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000]
    assert [plots.short(value) for value in (500, 5000, 2000000)] == ["500", "5 k", "2 M"]
    tree = parsed(plots.curves("title", {"nats": [(1000.0, 1.0), (100000.0, 50.0)], "local": [(2000.0, 0.5)]}))
    assert {"nats-server", "gridnode, local"} <= set(texts(tree))
    assert len(list(tree.iter(f"{SVG}circle"))) == 3
    style, = (one.text for one in tree.iter(f"{SVG}style"))
    assert "polyline { fill: none !important" in style, "colours fill what is no line, in the dark as well"


@pytest.mark.parametrize("most, last", [(14.0, 14), (3.5, 3.5), (0.12, 0.12), (194.0, 150)])
def test_ticks_are_few_and_round(most, last):
    found = plots.ticks(most)
    assert found[0] == 0 and len(found) <= 9 and found[-1] == pytest.approx(last)


def test_all_pictures_of_a_run():
    results = Results()
    measures = {"cpu_us": 2.0, "kb": 3.0, "per_s": 1000.0, "p99_ms": 1.0, "problems": []}
    for name in ("limit", "local", "stomp"):
        results.add("room500", name, measures)
    for name in ("local", "nats"):
        results.add("room500-max", name, {**measures, "tried": [[1000.0, 1.0], [2000.0, 0.0], [4000.0, 300.0]]})
    for name in ("rabbitmq", "stomp"):
        results.add("idle", name, measures)
    drawn = plots.pictures(results)
    assert list(drawn) == ["cpu", "cpu-highest", "latency", "memory"]
    assert all(parsed(text).tag == f"{SVG}svg" for text in drawn.values())
    assert "RabbitMQ Web STOMP, 10/s" in texts(parsed(drawn["cpu"]))
    assert "RabbitMQ Web STOMP, 2,000 connections" in texts(parsed(drawn["memory"]))
    assert plots.pictures(Results()) == {}


def test_pictures_are_files(tmp_path):
    plots.write(tmp_path / "pictures", {"cpu": str(Picture(10, 10, "cpu"))})
    assert parsed((tmp_path / "pictures" / "cpu.svg").read_text()).get("width") == "10"
