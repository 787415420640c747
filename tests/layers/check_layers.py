#!/usr/bin/python3
"""Checks that src/ keeps to its layers:

    base <- wire <- bus <- core <- net <- daemon <- main.c
                 <- bench <- gridbench.c

An include may only point to the left, a third-party header may only be included in its one place, and files stay of a
size that can be read.

    check_layers.py [SRC]      prints each violation as file:line: what, and exits 1 if there is any
"""
import pathlib
import re
import sys

# What a file of a layer may include: folders, or single headers.
MAY_INCLUDE = {
    "base": ["base/"],
    "wire": ["base/", "wire/"],
    "bus": ["base/", "wire/", "bus/"],
    "core": ["base/", "wire/", "bus/bus.h", "bus/config.h", "core/"],
    "net": ["base/", "wire/", "core/", "net/"],
    "daemon": ["base/", "wire/", "bus/bus.h", "bus/config.h", "core/", "net/", "daemon/"],
    "bench": ["base/", "wire/", "bench/"],
    "main.c": ["base/", "daemon/"],
    "gridbench.c": ["base/", "bench/"],
}

# Where a third-party header may be included: beginnings of paths.
THIRD_PARTY = [
    (r"libwebsockets\.h", ["net/"]),
    (r"ev\.h", ["net/", "bus/redis/", "bus/rabbitmq/helm"]),
    (r"amqp\w*\.h|rabbitmq-c/.*", ["bus/rabbitmq/", "bench/amqp"]),
    (r"hiredis/.*", ["bus/redis/"]),
    (r"json-c/.*|json\.h", ["wire/"]),
    (r"openssl/.*", ["wire/hmac.c", "bus/redis/tls_hiredis.c", "bench/ws_handshake"]),
    (r"libconfig\.h", ["daemon/config"]),
    (r"uthash\.h|utlist\.h", ["bus/", "core/"]),
]

# C and POSIX, and Linux where POSIX has nothing.
LIBC = re.compile(
    r"(sys|netinet|arpa|net|linux)/\w+\.h|"
    r"(assert|complex|ctype|dirent|endian|errno|fcntl|float|fnmatch|getopt|glob|grp|inttypes|iso646|langinfo|libgen|"
    r"limits|locale|malloc|math|netdb|poll|pthread|pwd|regex|sched|search|semaphore|setjmp|signal|spawn|stdalign|"
    r"stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|strings|syslog|termios|threads|time|uchar|"
    r"unistd|utime|wchar|wctype)\.h")

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:<([^>]*)>|"([^"]*)")')
PROGRAMS = ("main.c", "gridbench.c")
MAIN_LINES = 150
FILE_LINES = 800


def includes(text):
    """(line number, header, is it in angle brackets) of each include."""
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1) or match.group(2), match.group(1) is not None


def check_own(path, header, src):
    """What is wrong with including a header of ours."""
    layer = path.split("/")[0]
    if "/" not in header:
        return f'"{header}": the include path shows the layer, as in "{layer}/{header}"'
    if not (src / header).is_file():
        return f'"{header}": no such file'
    if not any(header == place or place.endswith("/") and header.startswith(place) for place in MAY_INCLUDE[layer]):
        return f'"{header}": {layer} may include {" ".join(MAY_INCLUDE[layer])} only'
    if header.endswith("_impl.h") and header.split("/")[0] != layer:
        return f'"{header}" is private to {header.split("/")[0]}/'
    driver = re.match(r"bus/\w+/", header)
    if driver and not path.startswith(driver.group()):
        return f'"{header}" is private to its driver; bus/bus.h declares the drivers'
    return None


def check_foreign(path, header):
    """What is wrong with including a header of somebody else."""
    if LIBC.fullmatch(header):
        return None
    for pattern, places in THIRD_PARTY:
        if re.fullmatch(pattern, header):
            if any(path.startswith(place) for place in places):
                return None
            return f"<{header}> belongs to {' '.join(places)} only"
    return f"<{header}> is in no list: tests/layers/check_layers.py says where which library may be used"


def check_includes(path, text, src):
    own = []
    for number, header, angled in includes(text):
        why = check_foreign(path, header) if angled else check_own(path, header, src)
        if why:
            yield number, why
        if not angled:
            own.append((number, header))
    if not path.endswith(".c") or path in PROGRAMS:
        return
    header = path[:-2] + ".h"
    if (src / header).is_file():
        first = next(includes(text), (1, "nothing", False))
        if first[1] != header:
            yield first[0], f'"{header}" comes first, so that it is known to stand by itself'
    elif not any(name.startswith(path.split("/")[0] + "/") for _, name in own):
        yield 1, f"has neither a {header} nor includes another header of its layer: a module is x.h and x.c"


def check_size(path, text):
    lines = len(text.splitlines())
    limit = MAIN_LINES if path in PROGRAMS else FILE_LINES
    if lines >= limit:
        yield lines, f"{lines} lines; less than {limit} are allowed: split it by object"


def check_orphans(src, texts):
    """A header without a source of its name must be used in its own folder or below another source of the layer."""
    included = {header for text in texts.values() for _, header, angled in includes(text) if not angled}
    for path in texts:
        if path.endswith(".h") and not (src / (path[:-2] + ".c")).is_file() and path not in included:
            yield path, 1, "is included by nobody and has no source: a module is x.h and x.c"


def check(src):
    """All violations: (path, line, what)."""
    texts = {p.relative_to(src).as_posix(): p.read_text(encoding="utf-8")
             for p in sorted(src.rglob("*")) if p.suffix in (".c", ".h")}
    if not texts:
        yield ".", 0, "there are no C files here"
    for path, text in texts.items():
        if path.split("/")[0] not in MAY_INCLUDE:
            yield path, 1, f"is in no layer: {' '.join(MAY_INCLUDE)}"
            continue
        for number, why in check_includes(path, text, src):
            yield path, number, why
        for number, why in check_size(path, text):
            yield path, number, why
    yield from check_orphans(src, texts)


def main():
    default = pathlib.Path(__file__).resolve().parents[2] / "src"
    src = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    found = 0
    for path, number, why in check(src):
        print(f"{src / path}:{number}: {why}")
        found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
