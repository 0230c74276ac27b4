"""Name what can go wrong with an account."""

from chassis.errors import Conflict, Malformed, NotFound, Unavailable


class AccountNotFound(NotFound):
    """Report an account that is not there, or no longer."""

    code = "account_not_found"
    title = "Account not found"


class AccountNotReady(Unavailable):
    """Report that the news of a registration has not come here yet."""

    code = "account_not_ready"
    title = "The account is not ready yet"


class LastOperator(Conflict):
    """Refuse to erase the one person who can run the shop."""

    code = "last_operator"
    title = "The last operator stays"


class UnknownCriterion(Malformed):
    """Refuse to look for accounts by something else; ``criteria`` lists what there is."""

    code = "unknown_criterion"
    title = "Unknown criterion"
