"""Greet: the use cases of this service."""

from collections.abc import Mapping

from chassis.errors import ServiceError

from .clients import Accounts
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


def greet_user(
    languages: Mapping[str, Language], accounts: Accounts, user_id: str
) -> tuple[Language, str | None]:
    """Return the language and the greeting for a signed-in person.

    Where their account is unknown or accounts can't say, it is English, and the greeting None.
    """
    try:
        person = accounts.find_person(user_id)
    except ServiceError:
        # The call has been logged, and nobody is kept from being greeted.
        person = None
    if person is None:
        return languages[DEFAULT_LANGUAGE], None
    tag = (person.language or DEFAULT_LANGUAGE).lower()
    base = tag.partition("-")[0]
    language = languages.get(tag) or languages.get(base) or languages[DEFAULT_LANGUAGE]
    return language, language.greet(person.name)
