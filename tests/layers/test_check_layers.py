#!/usr/bin/python3
"""check_layers.py finds what it is there to find: each test plants one mistake in a small tree that is right."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).with_name("check_layers.py")

RIGHT = {
    "base/buf.h": "#include <stddef.h>\n",
    "base/buf.c": '#include "base/buf.h"\n\n#include <stdlib.h>\n',
    "wire/json.h": '#include "base/buf.h"\n',
    "wire/json.c": '#include "wire/json.h"\n#include <json-c/json.h>\n',
    "wire/hmac.h": '#include "base/buf.h"\n',
    "wire/hmac.c": '#include "wire/hmac.h"\n#include <openssl/evp.h>\n',
    "bus/bus.h": '#include "wire/json.h"\n',
    "bus/bus.c": '#include "bus/bus.h"\n#include <uthash.h>\n',
    "bus/config.h": '#include "base/buf.h"\n',
    "bus/config.c": '#include "bus/config.h"\n',
    "bus/local.c": '#include <errno.h>\n#include "bus/bus.h"\n',
    "bus/rabbitmq/link.h": '#include "bus/bus.h"\n',
    "bus/rabbitmq/link.c": '#include "bus/rabbitmq/link.h"\n#include <amqp.h>\n#include <rabbitmq-c/amqp.h>\n',
    "core/hub.h": '#include "bus/bus.h"\n#include "bus/config.h"\n',
    "core/hub.c": '#include "core/hub.h"\n#include "core/hub_impl.h"\n#include <utlist.h>\n',
    "core/hub_impl.h": '#include "core/hub.h"\n',
    "net/ws.h": '#include "core/hub.h"\n',
    "net/ws.c": '#include "net/ws.h"\n#include <libwebsockets.h>\n#include <ev.h>\n',
    "daemon/config.h": '#include "net/ws.h"\n',
    "daemon/config.c": '#include "daemon/config.h"\n',
    "daemon/config_file.h": '#include "daemon/config.h"\n',
    "daemon/config_file.c": '#include "daemon/config_file.h"\n#include <libconfig.h>\n',
    "main.c": '#include <stdio.h>\n#include "daemon/config.h"\n',
}


class Planted(unittest.TestCase):
    def run_on(self, files):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                path = pathlib.Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            done = subprocess.run([sys.executable, SCRIPT, folder], capture_output=True, text=True, check=False)
            return done.returncode, done.stdout.replace(folder + "/", "")

    def finds(self, files, *expected):
        """Just these lines are found, each beginning with one of `expected`."""
        code, output = self.run_on({**RIGHT, **files})
        lines = output.splitlines()
        self.assertEqual(code, 1, output)
        self.assertEqual(len(lines), len(expected), output)
        for line, wanted in zip(lines, expected):
            self.assertTrue(line.startswith(wanted), f"{line!r} is not {wanted!r}")

    def plant(self, path, line):
        """The right file with one more include at its end; returns its line number too."""
        text = RIGHT[path] + line + "\n"
        return {path: text}, len(text.splitlines())

    def finds_include(self, path, line, expected):
        files, number = self.plant(path, line)
        self.finds(files, f"{path}:{number}: {expected}")

    def test_nothing_in_a_tree_that_is_right(self):
        self.assertEqual(self.run_on(RIGHT), (0, ""))

    def test_includes_to_the_right(self):
        for path, header in [("base/buf.c", "wire/json.h"), ("wire/json.h", "bus/bus.h"), ("bus/bus.c", "core/hub.h"),
                             ("core/hub.c", "net/ws.h"), ("net/ws.c", "daemon/config.h"), ("base/buf.h", "bus/bus.h"),
                             ("main.c", "net/ws.h"), ("net/ws.c", "bus/bus.h")]:
            with self.subTest(path=path, header=header):
                self.finds_include(path, f'#include "{header}"', f'"{header}": {path.split("/")[0]} may include')

    def test_core_sees_nothing_of_the_bus_but_its_interface(self):
        self.finds_include("core/hub.c", '#include "bus/rabbitmq/link.h"', '"bus/rabbitmq/link.h": core may include')

    def test_a_driver_is_private(self):
        self.finds_include("bus/local.c", '#include "bus/rabbitmq/link.h"', '"bus/rabbitmq/link.h" is private')

    def test_a_private_header_stays_in_its_layer(self):
        self.finds_include("net/ws.c", '#include "core/hub_impl.h"', '"core/hub_impl.h" is private to core/')

    def test_third_party_headers_in_the_wrong_place(self):
        for path, header in [("core/hub.c", "libwebsockets.h"), ("daemon/config.c", "ev.h"), ("bus/bus.c", "amqp.h"),
                             ("bus/local.c", "rabbitmq-c/amqp.h"), ("core/hub.c", "json-c/json.h"),
                             ("net/ws.c", "openssl/ssl.h"), ("wire/json.c", "openssl/evp.h"),
                             ("main.c", "libconfig.h"), ("base/buf.c", "uthash.h"),
                             ("bus/bus.c", "hiredis/hiredis.h"), ("bus/rabbitmq/link.c", "libconfig.h")]:
            with self.subTest(path=path, header=header):
                self.finds_include(path, f"#  include <{header}>", f"<{header}> belongs to")

    def test_an_unknown_library(self):
        self.finds_include("net/ws.c", "#include <uv.h>", "<uv.h> is in no list")

    def test_includes_that_do_not_show_the_layer_or_do_not_exist(self):
        self.finds_include("net/ws.c", '#include "ws.h"', '"ws.h": the include path shows the layer')
        self.finds_include("net/ws.c", '#include "net/none.h"', '"net/none.h": no such file')

    def test_files_that_are_too_long(self):
        self.assertEqual(self.run_on({**RIGHT, "main.c": RIGHT["main.c"] + "\n" * 147})[0], 0)
        self.finds({"main.c": RIGHT["main.c"] + "\n" * 148}, "main.c:150: 150 lines; less than 150")
        self.finds({"core/hub.c": RIGHT["core/hub.c"] + "\n" * 797}, "core/hub.c:800: 800 lines; less than 800")

    def test_a_source_without_a_module(self):
        self.finds({"core/extra.c": '#include "base/buf.h"\n'}, "core/extra.c:1: has neither")

    def test_a_header_without_a_module(self):
        self.finds({"core/extra.h": ""}, "core/extra.h:1: is included by nobody")

    def test_a_source_begins_with_its_header(self):
        self.finds({"core/hub.c": '#include <utlist.h>\n#include "core/hub.h"\n#include "core/hub_impl.h"\n'},
                   'core/hub.c:1: "core/hub.h" comes first')

    def test_a_folder_that_is_no_layer(self):
        self.finds({"util/x.c": ""}, "util/x.c:1: is in no layer")

    def test_an_empty_folder(self):
        code, output = self.run_on({"README": ""})
        self.assertEqual(code, 1)
        self.assertIn("no C files", output)


if __name__ == "__main__":
    unittest.main()
