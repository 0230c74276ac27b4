"""Call neighbours without being dragged down by them.

:mod:`~chassis.outbound.caller` takes each call through :mod:`~chassis.outbound.bulkhead`,
:mod:`~chassis.outbound.breaker`, :mod:`~chassis.outbound.deadline` and
:mod:`~chassis.outbound.retry`.  None of them knows a transport: the gateway puts them around its
own HTTP client, and :mod:`~chassis.outbound.client` around ``requests``, between services.

Nothing is re-exported here, so that whoever wants a breaker does not import ``requests`` with it.
"""
