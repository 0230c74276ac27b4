"""Sum up what an operator watches of products."""

from dataclasses import dataclass
from datetime import datetime

from storage.database import Database

from . import repository
from .clients import Clients
from .domain import HeldGoods


@dataclass(frozen=True, slots=True)
class Operations:
    """Hold one look; the breakers are by the name of what stands behind them."""

    live: HeldGoods
    overdue: HeldGoods
    breakers: dict[str, dict[str, str]]
    service: str = "products"


def look(database: Database, clients: Clients, now: datetime) -> Operations:
    """Return how things stand now, without putting anything back on sale first."""
    with database.read() as session:
        live, overdue = repository.sum_up_held(session, now)
    states = {guard.name: {"state": guard.state.value} for guard in clients.breakers}
    return Operations(live, overdue, states)
