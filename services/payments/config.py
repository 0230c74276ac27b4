"""Declare the settings of the payments service."""

from dataclasses import dataclass
from typing import Final

from chassis.config import Environ, Secret, ServiceConfig, positive, setting
from contracts.topology import default_url
from storage.database import database_address
from storage.database import default_url as default_database_url

DEVELOPMENT_WEBHOOK_SECRET: Final = "development-only-webhook-signing-secret"  # noqa: S105 - refused in production.
MIN_SECRET_LENGTH: Final = 32  # characters; 256 bits when every one is random.
WEBHOOK_PATH: Final = "/api/v1/payments/webhook"


def own_webhook(environ: Environ) -> str:
    """Return the address of the webhook that this service itself serves."""
    return default_url("payments")(environ) + WEBHOOK_PATH


@dataclass(frozen=True, kw_only=True)
class Config(ServiceConfig):
    """Hold where the books are and what is agreed with the provider."""

    service = "payments"

    database_url: Secret = setting(
        "PAYMENTS_DATABASE_URL",
        default=default_database_url("payments"),
        parse=database_address,
        doc="database of payments and their ledger",
    )
    auth_url: str = setting("AUTH_URL", default=default_url("auth"), doc="where the key set is")
    provider_database_url: Secret = setting(
        "PAYMENTS_PROVIDER_DATABASE_URL",
        default=default_database_url("provider"),
        parse=database_address,
        doc="the stand-in provider's own record",
    )
    # Below half of the second that orders waits, so that a hung provider never makes this service
    # look slow to it.
    provider_timeout_seconds: float = setting(
        "PAYMENTS_PROVIDER_TIMEOUT_SECONDS",
        default=0.4,
        parse=positive,
        doc="how long the provider may take; after it the outcome counts as unknown",
    )
    webhook_secret: Secret = setting(
        "PAYMENTS_WEBHOOK_SECRET",
        default=DEVELOPMENT_WEBHOOK_SECRET,
        parse=Secret,
        doc="key of the provider's signatures; production refuses the default",
    )
    webhook_url: str = setting(
        "PAYMENTS_WEBHOOK_URL",
        default=own_webhook,
        doc="where the stand-in provider sends its events",
    )
    # As orders has it: together they bound how long something stays half done.
    reconcile_seconds: float = setting(
        "RECONCILE_SECONDS",
        default=5.0,
        parse=positive,
        doc="pause between looks for what stopped half-way, and the age at which it counts so",
    )
    idempotency_seconds: float = setting(
        "IDEMPOTENCY_SECONDS",
        default=86400.0,
        parse=positive,
        doc="how long the answer to a refund is remembered under its idempotency key",
    )

    def problems(self) -> list[str]:
        """Refuse a webhook secret in production that others know or could guess."""
        problems = super().problems()
        known = self.webhook_secret == DEVELOPMENT_WEBHOOK_SECRET
        if self.production and (known or len(self.webhook_secret) < MIN_SECRET_LENGTH):
            problems.append(
                "PAYMENTS_WEBHOOK_SECRET: production needs one of your own, "
                f"at least {MIN_SECRET_LENGTH} characters long"
            )
        return problems
