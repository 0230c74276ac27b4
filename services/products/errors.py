"""Name what can go wrong with the catalogue and with reservations."""

from chassis.errors import Conflict, Invalid, NotFound


class ProductNotFound(NotFound):
    """Report a product that is not in the catalogue."""

    code = "product_not_found"
    title = "Product not found"


class UnknownProduct(Invalid):
    """Refuse to reserve what is not in the catalogue; ``product_ids`` names it."""

    code = "unknown_product"
    title = "Unknown product"


class OutOfStock(Conflict):
    """Refuse to reserve what is not there; ``items`` tells how much is."""

    code = "out_of_stock"
    title = "Out of stock"


class ReservationNotFound(NotFound):
    """Report a reservation that nobody made."""

    code = "reservation_not_found"
    title = "Reservation not found"


class ReservationMismatch(Conflict):
    """Refuse to reserve other goods under the same id."""

    code = "reservation_mismatch"
    title = "The reservation holds other goods"


class ReservationReleased(Conflict):
    """Report that the goods were given back, perhaps before they were asked for."""

    code = "reservation_released"
    title = "The reservation was released"


class ReservationExpired(Conflict):
    """Report that the goods went back on sale because nobody confirmed in time."""

    code = "reservation_expired"
    title = "The reservation expired"


class IllegalReservationState(Conflict):
    """Refuse a move that the ``state`` of the reservation does not allow."""

    code = "illegal_reservation_state"
    title = "The reservation's state does not allow this"


class ImportNotConfigured(Conflict):
    """Report that no catalogue API is set to import from."""

    code = "import_not_configured"
    title = "No catalogue to import from"
