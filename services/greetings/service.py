"""Greet: the use cases of this service."""

from collections.abc import Mapping

from .domain import Language
from .errors import UnknownLanguage

DEFAULT_LANGUAGE = "en"


def greet(
    languages: Mapping[str, Language], name: str, code: str = DEFAULT_LANGUAGE
) -> tuple[Language, str]:
    """Return the language and the greeting for a name.

    Raises:
        UnknownLanguage: no greeting is written in it; the problem lists those that are.
    """
    language = languages.get(code.lower())
    if language is None:
        raise UnknownLanguage(f"There is no greeting in '{code}' yet.", languages=sorted(languages))
    return language, language.greet(name)
