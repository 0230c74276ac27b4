"""Name what can go wrong with payments."""

from typing import Final

from chassis.errors import (
    Conflict,
    Declined,
    Invalid,
    Malformed,
    NotFound,
    ServiceError,
    Unavailable,
)


class CardRefused(Exception):
    """Group the answers of a card that end a payment; ``code`` is stored with it."""

    code: str


class PaymentDeclined(Declined, CardRefused):
    """Report that the card was refused."""

    code = "payment_declined"
    title = "Payment declined"


class InsufficientFunds(Declined, CardRefused):
    """Report that the card lacks the money."""

    code = "insufficient_funds"
    title = "Insufficient funds"


class UnknownCardToken(Invalid, CardRefused):
    """Refuse a card token that the provider does not know."""

    code = "unknown_card_token"
    title = "Unknown card token"


class PaymentNotFound(NotFound):
    """Report a payment that is not there, or somebody else's."""

    code = "payment_not_found"
    title = "Payment not found"


class PaymentMismatch(Conflict):
    """Refuse another amount or payer for an order that has a payment."""

    code = "payment_mismatch"
    title = "The order has another payment"


class IllegalTransition(Conflict):
    """Refuse what the state of the payment does not allow; ``payment_status`` says which it is."""

    code = "illegal_state"
    title = "The payment's state does not allow this"


class RefundExceedsCaptured(Conflict):
    """Refuse to give back more than was taken; ``refundable`` is the money that is left."""

    code = "refund_exceeds_captured"
    title = "Refund exceeds what was captured"


class OperationRefused(Conflict):
    """Report that the provider's own record does not allow an operation."""

    code = "provider_refused"
    title = "The payment provider refused"


class ProviderSilent(Unavailable):
    """Report that the provider gave no answer: what was asked of it may have happened or not."""

    code = "provider_silent"
    title = "The payment provider does not answer"


class ForgedWebhook(Malformed):
    """Refuse an event without the provider's signature."""

    code = "webhook_signature_invalid"
    title = "The webhook's signature is invalid"


class StaleWebhook(Malformed):
    """Refuse an event whose signature is too old, and so perhaps recorded and sent again."""

    code = "webhook_too_old"
    title = "The webhook is too old"


class WebhookMismatch(Conflict):
    """Refuse an event whose amount can't be the payment's."""

    code = "webhook_amount_mismatch"
    title = "The webhook's amount does not fit the payment"


class WebhookIdReused(Conflict):
    """Refuse an event under the id of another one."""

    code = "webhook_id_reused"
    title = "The webhook's id belongs to another event"


class UnbalancedPosting(Exception):
    """Stop a posting whose entries don't sum to zero; that is a defect of the caller."""


CARD_REFUSALS: Final[dict[str, type[ServiceError]]] = {
    refusal.code: refusal for refusal in (PaymentDeclined, InsufficientFunds, UnknownCardToken)
}
"""The answers of a card that end a payment, by the code that is stored with it."""
