"""Declare the settings of the greetings service."""

from dataclasses import dataclass

from chassis.config import ServiceConfig


@dataclass(frozen=True, kw_only=True)
class Config(ServiceConfig):
    """Hold what every service knows; greetings need nothing more."""

    service = "greetings"
