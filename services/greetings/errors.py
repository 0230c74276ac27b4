"""Name what can go wrong with a greeting."""

from chassis.errors import NotFound


class UnknownLanguage(NotFound):
    """Report that no greeting is written in the language."""

    code = "unknown_language"
    title = "Unknown language"
