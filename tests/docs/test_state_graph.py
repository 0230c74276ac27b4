"""Hold the drawn states of an order against the code."""

from services.orders.domain import EDGES, UNFINISHED, Status
from services.orders.saga import FIRST_STEP, STEPS
from tests.docs.state_graph import drawn_edges


def test_drawing_has_exactly_the_edges_of_the_code():
    assert drawn_edges() == {(s.value, t.value) for s, targets in EDGES.items() for t in targets}


def test_steps_of_the_saga_go_exactly_along_the_edges_of_what_is_unfinished():
    edges = {(source, target) for source in UNFINISHED for target in EDGES[source]}

    onwards = {(source, next_status(start)) for source, start in FIRST_STEP.items()}
    refused = {(source, Status.REJECTED) for source in FIRST_STEP}
    waiting = {(Status.RESERVED, Status.PAYMENT_PENDING)}

    assert onwards | refused | waiting == edges


def test_undecided_payment_is_taken_up_where_it_was_asked_for():
    assert FIRST_STEP[Status.PAYMENT_PENDING] == FIRST_STEP[Status.RESERVED]


def next_status(start: int) -> Status | None:
    """Return the first status that is reached from a step on."""
    return next((step.reaches for step in STEPS[start:] if step.reaches), None)
