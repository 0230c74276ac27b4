"""Call neighbours without being dragged down by them.

:mod:`~chassis.outbound.breaker`, :mod:`~chassis.outbound.bulkhead`, :mod:`~chassis.outbound.retry`
and :mod:`~chassis.outbound.deadline` know no transport: the gateway puts them around its own HTTP
client.  :mod:`~chassis.outbound.client` puts them around ``requests``, for calls between services.

Nothing is re-exported here, so that whoever wants a breaker does not import ``requests`` with it.
"""
