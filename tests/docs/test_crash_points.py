"""Hold the list of crash points against those in the code."""

import re

from tests.docs.pages import ROOT, rows, sections, text_of

POINT = re.compile(r'"([a-z]+:(?:before|after)_[a-z_]+)"')


def test_every_crash_point_is_listed_once():
    table = rows(
        sections(text_of("docs/operations.md"), 2)["Crash points"],
        *("point", "dies in", "what has happened"),
    )
    code = [
        path.read_text("utf-8")
        for folder in ("services", "messaging")
        for path in (ROOT / folder).rglob("*.py")
        if "tests" not in path.parts
    ]

    listed = [point.strip("`") for point, _, _ in table]

    assert sorted(listed) == sorted({point for text in code for point in POINT.findall(text)})
