"""Read the repository's Markdown the way its readers do."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#{1,6}) +(.+?)$", re.MULTILINE)
COMMAND = re.compile(r"^\$ (.+)\n((?:[^$].*\n)*)", re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@cache
def pages() -> list[Path]:
    """Return every page that belongs to the repository, data and hidden folders aside."""
    folders = [path for path in ROOT.glob("[!.]*/") if path.is_dir() and path.name != "var"]
    found = [*ROOT.glob("*.md"), *(page for folder in folders for page in folder.rglob("*.md"))]
    return sorted(path.relative_to(ROOT) for path in found)


@cache
def text_of(page: str | Path) -> str:
    return (ROOT / page).read_text("utf-8")


def blocks(text: str, language: str) -> list[str]:
    """Return the fenced blocks in a language, without the indentation of a list around them."""
    return [
        re.sub(rf"^{indent}", "", body, flags=re.MULTILINE)
        for indent, name, body in FENCE.findall(text)
        if name == language
    ]


def commands(text: str) -> list[tuple[str, str]]:
    """Return the command lines of the console blocks, each with the answer that is shown."""
    found = COMMAND.findall("".join(blocks(text, "console")))
    return [(command, answer.strip()) for command, answer in found]


def fits(shown: str, printed: str) -> bool:
    """Tell whether an answer is what a page shows, in which "…" stands for anything."""
    pattern = ".*".join(map(re.escape, shown.split("…")))
    return bool(re.fullmatch(pattern, printed.strip(), re.DOTALL))


def sections(text: str, level: int) -> dict[str, str]:
    """Return what stands below each heading of a level, by heading."""
    parts = re.split(rf"^{'#' * level} +(.+)\n", FENCE.sub(_masked, text), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def rows(text: str, *header: str) -> Iterator[list[str]]:
    """Yield the cells of the tables that have this header."""
    inside = False
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            inside = False
        elif inside and set(line) - set("|- "):
            yield cells
        inside = inside or (line.startswith("|") and tuple(cells) == header)


def links(page: Path) -> list[str]:
    """Return the targets of a page's links, those on other sites aside."""
    prose = re.sub(r"`[^`\n]*`", "", FENCE.sub("", text_of(page)))
    return [target for target in LINK.findall(prose) if "://" not in target]


def anchors(page: Path) -> set[str]:
    """Return what links can name on a page, by GitHub's rule for headings."""
    titles = (title for _, title in HEADING.findall(FENCE.sub("", text_of(page))))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _masked(fence: re.Match[str]) -> str:
    return re.sub(r"^#", "\\#", fence[0], flags=re.MULTILINE)
