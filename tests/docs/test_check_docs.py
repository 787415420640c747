#!/usr/bin/python3
"""Does check_docs.py notice? Each case breaks one thing in a copy of the tree and expects one sentence about it."""

import pathlib
import shutil
import tempfile
import unittest

import check_docs

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPIED = ("src", "docs", "tests", "scripts", "conf", "deploy", "amqp-topology", "README.md", "CHANGELOG.md", "LICENSE")


class Drift(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.root = pathlib.Path(folder.name)
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, cls.root / name)
            elif (ROOT / name).exists():
                shutil.copy(ROOT / name, cls.root / name)
        cls.before = check_docs.check(cls.root)

    def write(self, name, text):
        """Until the end of this case."""
        path = self.root / name
        self.addCleanup(path.write_text, path.read_text(encoding="utf-8"), encoding="utf-8")
        path.write_text(text, encoding="utf-8")

    def change(self, name, old, new):
        text = (self.root / name).read_text(encoding="utf-8")
        self.assertIn(old, text)
        self.write(name, text.replace(old, new, 1))

    def append(self, name, text):
        self.write(name, (self.root / name).read_text(encoding="utf-8") + text)

    def expect(self, *words):
        """One sentence more than before, with these words in it."""
        new = [sentence for sentence in check_docs.check(self.root) if sentence not in self.before]
        self.assertEqual(len(new), 1, new)
        for word in words:
            self.assertIn(word, new[0])

    def test_a_verb_more_in_the_code(self):
        self.change("src/core/verbs.c", 'VERB("ping", verb_ping)', 'VERB("ping", verb_ping), VERB("pong", verb_ping)')
        self.expect("verb `pong`", "not in the table")

    def test_a_verb_more_in_the_document(self):
        self.change("docs/protocol.md", "| `leave` |", "| `linger` | | | |\n| `leave` |")
        self.expect("verb `linger`", "not in the code")

    def test_an_error_more_in_the_code(self):
        self.change("src/core/errors.c", 'ROW(ERROR_BAD_JSON,', 'ROW(ERROR_NEW, "brand_new", true, "x"), ROW(ERROR_BAD_JSON,')
        self.expect("error `brand_new`")

    def test_an_error_more_in_the_document(self):
        self.change("docs/protocol.md", "| `bad_json` |", "| `worse_json` | x | yes |\n| `bad_json` |")
        self.expect("error `worse_json`", "not in the code")

    def test_an_error_that_counts_no_longer(self):
        self.change("src/core/errors.c", '"bad_json", true', '"bad_json", false')
        self.expect("`bad_json` counts as a fault: no")

    def test_a_close_code_more_in_the_code(self):
        self.change("src/core/transport.h", "CLOSE_ABUSE = 4005,", "CLOSE_ABUSE = 4005, CLOSE_NEW = 4042,")
        self.expect("close code `4042`")

    def test_a_close_code_more_in_the_document(self):
        self.change("docs/protocol.md", "\n| 4005 |", "\n| 4043 | x | no |\n| 4005 |")
        self.expect("close code `4043`", "not in the code")

    def test_a_metric_more_in_the_code(self):
        self.append("src/core/outq.c", 'static const struct metric_row rows[] = {\n'
                    'METRIC_COUNTER_ROW(struct outq, n, "grid_new_total", NULL,\n\t"What is " "new"),\n};\n')
        self.expect("metric `grid_new_total`", "not in the table")

    def test_a_metric_more_in_the_document(self):
        self.append("docs/metrics.md", "| `grid_old_total` | counter | | What was |\n")
        new = [sentence for sentence in check_docs.check(self.root) if sentence not in self.before]
        self.assertEqual(len(new), 2, new)  # in the table, and no metric

    def test_a_metric_that_means_something_else(self):
        self.change("src/core/hub.c", "Websockets open", "Websockets half open")
        self.expect("metric `grid_sessions` should read", "half open")

    def test_a_metric_with_another_label(self):
        self.change("src/core/hub.c", 'kind=\\"user\\"', 'sort=\\"user\\"')
        self.change("src/core/hub.c", 'kind=\\"room\\"', 'sort=\\"room\\"')
        self.expect("metric `grid_strays_total` should read", "sort")

    def test_a_metric_named_that_is_none(self):
        self.append("docs/architecture.md", "\nLook at `grid_nonsense_total`.\n")
        self.expect("docs/architecture.md", "`grid_nonsense_total` is no metric")

    def test_a_log_event_more_in_the_code(self):
        self.append("src/core/outq.c", 'void f(void) { log_limited(&l, now(1, 2), LOG_LEVEL_WARN, "outq.new",\n"x"); }\n')
        self.expect("log event `outq.new`", "not in the table")

    def test_two_log_events_in_one_call(self):
        self.append("src/core/outq.c", 'void f(void) { log_event(LOG_LEVEL_WARN, a ? "outq.new" : "session.abuse", "x"); }\n')
        self.expect("log event `outq.new`")

    def test_a_debug_line_is_nobodys_business(self):
        self.append("src/core/outq.c", 'void f(void) { log_debug("outq.new", "x"); }\n/* log_warn("outq.old", "") */\n')
        self.assertEqual(check_docs.check(self.root), self.before)

    def test_a_log_event_more_in_the_document(self):
        self.change("docs/operations.md", "| warn | `session.abuse` |",
                    "| warn | `session.gone` | | |\n| warn | `session.abuse` |")
        self.expect("log event `session.gone`", "not in the code")

    def test_a_log_event_of_another_level(self):
        self.change("docs/operations.md", "| warn | `session.abuse` |", "| info | `session.abuse` |")
        self.expect("log event `session.abuse` has level warn")

    def test_an_option_that_is_none(self):
        self.append("docs/operations.md", "\nSet `limits.nonsense = 3`.\n")
        self.expect("docs/operations.md", "`limits.nonsense` is no option")

    def test_a_path_that_is_not_there(self):
        self.append("docs/architecture.md", "\nSee `src/core/nonsense.c`.\n")
        self.expect("docs/architecture.md", "`src/core/nonsense.c` does not exist")

    def test_a_link_to_nowhere(self):
        self.append("docs/architecture.md", "\nSee [that](nonsense.md).\n")
        self.expect("docs/architecture.md", "nonsense.md: no such file")

    def test_a_link_to_no_heading(self):
        self.append("docs/architecture.md", "\nSee [that](protocol.md#nonsense), or [this](protocol.md#1-names).\n")
        self.expect("docs/architecture.md", "protocol.md#nonsense: no such heading")

    def test_a_table_that_lost_its_mark(self):
        self.change("docs/protocol.md", "<!-- checked: verbs -->", "")
        self.expect("check_verbs", "no table is marked")

    def test_writing_the_table_of_metrics(self):
        self.change("src/core/hub.c", "Websockets open", "Websockets half open")
        self.append("docs/metrics.md", "")  # put back afterwards
        check_docs.write_metrics(self.root)
        self.assertEqual(check_docs.check(self.root), self.before)


class Reading(unittest.TestCase):
    def test_arguments(self):
        self.assertEqual(check_docs.arguments('f(a, "b,)", g(c, d), {1, 2})', 1), ["a", '"b,)"', "g(c, d)", "{1, 2}"])

    def test_comments(self):
        self.assertEqual(check_docs.without_comments('a /* "b" */ "/* c */" // d').split(), ["a", '"/*', "c", '*/"'])

    def test_anchors(self):
        self.assertEqual(check_docs.anchors("# 2.3 Errors, `x` and [y](z)\n\n    # code\n"), {"23-errors-x-and-y"})


if __name__ == "__main__":
    unittest.main()
