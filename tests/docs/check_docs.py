#!/usr/bin/python3
"""Fails when the documentation and the tables in the code have drifted apart, one line for each difference.

  check_docs.py [ROOT]                  checks
  check_docs.py --write-metrics [ROOT]  writes the table of docs/metrics.md anew from the code

Checked: verbs, errors and close codes (docs/protocol.md), metrics (docs/metrics.md), log events (docs/operations.md),
options and paths named anywhere, and every relative link in a *.md file.
"""

import argparse
import pathlib
import re
import sys

PROTOCOL = "docs/protocol.md"
METRICS = "docs/metrics.md"
OPERATIONS = "docs/operations.md"
SKIPPED_FOLDERS = {"build", ".git", ".run", "node_modules"}
PATH_ROOTS = ("src", "docs", "tests", "scripts", "conf", "deploy", "amqp-topology")
# Options by the struct their rows stand in; the prefix each table gets in src/daemon/config.c.
OPTION_PREFIXES = {"config": "", "net_config": "", "core_config": "", "bus_config": "bus.",
                   "rabbitmq_config": "bus.rabbitmq.", "redis_config": "bus.redis."}

STRING = r'"((?:[^"\\]|\\.)*)"'


# --- reading C, as far as it takes ------------------------------------------------------------------------------------


def without_comments(text):
    """C without comments and line continuations; strings stay as they are."""
    token = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|/\*.*?\*/|//[^\n]*', re.S)
    text = token.sub(lambda m: " " if m.group().startswith("/") else m.group(), text)
    return text.replace("\\\n", " ")


def c_files(root, *suffixes):
    for path in sorted((root / "src").rglob("*")):
        if path.suffix in suffixes and path.is_file():
            yield path, without_comments(path.read_text(encoding="utf-8"))


def c_file(root, name):
    return without_comments((root / name).read_text(encoding="utf-8"))


def arguments(text, at):
    """The arguments of the call whose opening parenthesis is at `at`, split at the commas of its own level."""
    depth, start, found = 0, at + 1, []
    token = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|[()\[\]{},]')
    for m in token.finditer(text, at):
        if m.group() in "([{":
            depth += 1
        elif m.group() in ")]}":
            depth -= 1
            if depth == 0:
                return found + [text[start:m.start()].strip()]
        elif m.group() == "," and depth == 1:
            found.append(text[start:m.start()].strip())
            start = m.end()
    return found


def calls(text, names):
    """(name, arguments) of each call of one of these functions or macros."""
    for m in re.finditer(r"\b(%s)\s*\(" % names, text):
        yield m.group(1), arguments(text, m.end() - 1)


def literals(text):
    return "".join(re.findall(STRING, text)).replace('\\"', '"')


# --- what the code has ------------------------------------------------------------------------------------------------


def code_verbs(root):
    text = c_file(root, "src/core/verbs.c")
    table = text[text.index("verbs[VERB_COUNT]"):]
    return {literals(args[0]) for _, args in calls(table[:table.index("};")], "VERB")}


def code_errors(root):
    """code -> is it the client's fault"""
    text = c_file(root, "src/core/errors.c")
    table = text[text.index("error_rows[ERROR_COUNT]"):]
    return {literals(args[1]): args[2] == "true" for _, args in calls(table, "ROW")}


def code_close_codes(root):
    return set(re.findall(r"\bCLOSE_\w+\s*=\s*(\d+)", c_file(root, "src/core/transport.h")))


def label_of_table(root, name):
    """The label rows of a table bring with them: `verbs[i].label`."""
    for _, text in c_files(root, ".c"):
        if re.search(r"\b%s\[\w+\]\s*=\s*\{" % name, text):
            m = re.search(r'\.label\s*=\s*\(?"(\w+)=', text)
            if m:
                return [m.group(1)]
    return []


def code_metrics(root):
    """name -> (type, labels, meaning)"""
    found = {}
    for path, text in c_files(root, ".c"):
        if path.name == "metrics.c" and path.parent.name == "base":
            continue
        for _, args in calls(text, r"[A-Z][A-Z0-9_]*"):
            at = next((i for i, arg in enumerate(args) if re.match(r'"grid_\w+"$', arg)), None)
            if at is None:
                continue
            name, between = literals(args[at]), " ".join(args[at + 1:-1])
            labels = re.findall(r"(\w+)=", literals(between))
            for table in re.findall(r"(\w+)\[\w+\]\.label", between):
                labels += label_of_table(root, table)
            kind = "counter" if name.endswith("_total") else "gauge"
            found[name] = (kind, ", ".join(dict.fromkeys(labels)), literals(args[-1]))
    return found


def code_events(root):
    """event -> set of levels (empty: decided at run time)"""
    found = {}
    for path, text in c_files(root, ".c"):
        if path.parts[-2:] == ("base", "log.c"):
            continue
        for name, args in calls(text, "log_error|log_warn|log_info|log_event|log_limited"):
            if name in ("log_error", "log_warn", "log_info"):
                level, event = name[4:], args[0]
            else:
                level, event = args[0 if name == "log_event" else 2], args[1 if name == "log_event" else 3]
                level = re.findall(r"LOG_LEVEL_(\w+)", level)
                level = level[0].lower() if len(level) == 1 else None
            for one in re.findall(STRING, event):
                found.setdefault(one, set())
                if level:
                    found[one].add(level)
    return {event: levels for event, levels in found.items() if levels != {"debug"}}


def code_options(root):
    found = set()
    for path, text in c_files(root, ".c"):
        for name, args in calls(text, r"OPTION_[A-Z]+"):
            m = re.match(r"struct (\w+)$", args[0]) if len(args) > 1 else None
            if m and m.group(1) in OPTION_PREFIXES:
                found.add(OPTION_PREFIXES[m.group(1)] + args[1])
    return found


# --- what the documents say -------------------------------------------------------------------------------------------


def table(root, name, marker):
    """Rows (lists of cells) of the table behind `<!-- checked: marker -->`."""
    text = (root / name).read_text(encoding="utf-8")
    start = text.find(f"<!-- checked: {marker} -->")
    if start < 0:
        raise ValueError(f"{name}: no table is marked <!-- checked: {marker} -->")
    rows = []
    for line in text[start:].splitlines()[1:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip("|"))])
    return rows[2:]


def unquoted(cell):
    return cell.strip("`")


def markdown_files(root):
    for path in sorted(root.rglob("*.md")):
        if not SKIPPED_FOLDERS & set(path.relative_to(root).parts):
            yield path


def prose(text):
    """Without fenced and indented code."""
    lines, fenced = [], False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
            line = ""
        lines.append("" if fenced or line.startswith("    ") else line)
    return "\n".join(lines)


def anchors(text):
    """The anchors of a document's headings, as GitHub makes them."""
    found = set()
    for heading in re.findall(r"^#{1,6}\s+(.*?)\s*$", prose(text), re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        found.add(re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-"))
    return found


# --- the checks: each yields sentences --------------------------------------------------------------------------------


def compare(document, what, said, real):
    for name in sorted(real - said):
        yield f"{document}: {what} `{name}` is in the code and not in the table"
    for name in sorted(said - real):
        yield f"{document}: {what} `{name}` is in the table and not in the code"


def check_verbs(root):
    return compare(PROTOCOL, "verb", {unquoted(row[0]) for row in table(root, PROTOCOL, "verbs")}, code_verbs(root))


def check_errors(root):
    real = code_errors(root)
    said = {unquoted(row[0]): row[-1] for row in table(root, PROTOCOL, "errors")}
    yield from compare(PROTOCOL, "error", set(said), set(real))
    for code in sorted(set(said) & set(real)):
        if said[code] != ("yes" if real[code] else "no"):
            yield f"{PROTOCOL}: error `{code}` counts as a fault: {'yes' if real[code] else 'no'}"


def check_close_codes(root):
    return compare(PROTOCOL, "close code", {row[0] for row in table(root, PROTOCOL, "close codes")},
                   code_close_codes(root))


def metric_row(name, kind, labels, meaning):
    escaped = meaning.replace("|", "\\|")
    return f"| `{name}` | {kind} | {labels} | {escaped} |"


def check_metrics(root):
    real = code_metrics(root)
    said = {unquoted(row[0]): row for row in table(root, METRICS, "metrics")}
    yield from compare(METRICS, "metric", set(said), set(real))
    for name in sorted(set(said) & set(real)):
        if said[name][1:4] != list(real[name]):
            yield f"{METRICS}: metric `{name}` should read: {metric_row(name, *real[name])}"


def check_metrics_named(root):
    real = code_metrics(root)
    for path in markdown_files(root):
        for name in re.findall(r"`(grid_[a-z0-9_]+)", path.read_text(encoding="utf-8")):
            if name not in real:
                yield f"{path.relative_to(root)}: `{name}` is no metric"


def check_events(root):
    real = code_events(root)
    said = {unquoted(row[1]): row[0] for row in table(root, OPERATIONS, "log events")}
    yield from compare(OPERATIONS, "log event", set(said), set(real))
    for event in sorted(set(said) & set(real)):
        levels = set(re.split(r"[, ]+", said[event]))
        if real[event] and not real[event] <= levels:
            yield f"{OPERATIONS}: log event `{event}` has level {' and '.join(sorted(real[event]))}"


def check_options(root):
    """`group.name` in any document is an option (or a log event, or a file)."""
    real = code_options(root)
    groups = {name.split(".")[0] for name in real}
    events = set(code_events(root))
    if not real:
        return
    for path in markdown_files(root):
        for name in re.findall(r"`([a-z]+(?:\.[a-z_]+)+)(?:\s*=[^`]*)?`", prose(path.read_text(encoding="utf-8"))):
            is_file = re.search(r"\.(c|h|md|py|conf|json|sh|txt|html|js|css)$", name)
            if name.split(".")[0] in groups and name not in real | events and not is_file:
                yield f"{path.relative_to(root)}: `{name}` is no option"


def check_paths(root):
    """`src/…`, `docs/…` and so on in any document is there."""
    pattern = re.compile(r"`((?:%s)/[A-Za-z0-9_./-]*)`" % "|".join(PATH_ROOTS))
    for path in markdown_files(root):
        for name in pattern.findall(prose(path.read_text(encoding="utf-8"))):
            if not (root / name).exists():
                yield f"{path.relative_to(root)}: `{name}` does not exist"


def check_links(root):
    for path in markdown_files(root):
        text = path.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)\s]+)\)", prose(text)):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            other = path.parent / name if name else path
            if not other.exists():
                yield f"{path.relative_to(root)}: link to {target}: no such file"
            elif anchor and other.suffix == ".md" and anchor not in anchors(other.read_text(encoding="utf-8")):
                yield f"{path.relative_to(root)}: link to {target}: no such heading"


CHECKS = (check_verbs, check_errors, check_close_codes, check_metrics, check_metrics_named, check_events, check_options,
          check_paths, check_links)


def check(root):
    """All differences."""
    found = []
    for one in CHECKS:
        try:
            found += one(root)
        except (OSError, ValueError) as error:
            found.append(f"{one.__name__}: {error}")
    return found


def write_metrics(root):
    path = root / METRICS
    text = path.read_text(encoding="utf-8")
    head = text[:text.index("<!-- checked: metrics -->")]
    rows = [metric_row(name, *row) for name, row in sorted(code_metrics(root).items())]
    path.write_text(head + "\n".join(["<!-- checked: metrics -->", "| metric | type | labels | meaning |",
                                      "|---|---|---|---|"] + rows) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("--write-metrics", action="store_true")
    args = parser.parse_args()
    if args.write_metrics:
        write_metrics(args.root)
        return 0
    found = check(args.root)
    for sentence in found:
        print(sentence)
    print(f"{len(found)} difference{'' if len(found) == 1 else 's'} between documents and code")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
