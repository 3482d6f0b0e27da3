"""Puts tables into a document, between marks: <!-- bench NAME --> ... <!-- end -->. The text around them is written by hand."""

import re

from . import machine, report
from .lab import Trouble


def replace(text, name, content):
    marks = re.compile(rf"(<!-- bench {re.escape(name)} -->\n).*?(<!-- end -->)", re.S)
    if not marks.search(text):
        raise Trouble(
            f"the document has no place for '{name}': a line <!-- bench {name} --> and, below, a line <!-- end -->"
        )
    return marks.sub(lambda found: found[1] + content + "\n" + found[2], text)


def write(path, here, results):
    text = path.read_text()
    table = ["| | |", "|---|---|"] + [f"| {what} | {value} |" for what, value in machine.lines(here)]
    text = replace(text, "machine", "\n".join(table))
    for result in results:
        text = replace(text, result.measurement.name, report.markdown(result))
    path.write_text(text)
