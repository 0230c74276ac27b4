"""Know how each language greets."""

import json
from dataclasses import dataclass
from pathlib import Path

LANGUAGES_FILE = Path(__file__).with_name("languages.json")


@dataclass(frozen=True, slots=True)
class Language:
    """Greet in one language; ``greeting`` has one ``{name}``."""

    code: str
    name: str
    native_name: str
    greeting: str
    direction: str

    def greet(self, name: str) -> str:
        """Return the greeting for a name, which is never read as a template."""
        before, after = self.greeting.split("{name}")
        return f"{before}{name}{after}"


def load_languages(path: Path = LANGUAGES_FILE) -> dict[str, Language]:
    """Return the languages of a file by their ISO 639-1 code."""
    table = json.loads(path.read_text(encoding="utf-8"))
    return {code: Language(code=code, **entry) for code, entry in table.items()}
