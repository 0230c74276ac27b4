"""Describe what goes out over HTTP."""

from marshmallow import fields, validate

from chassis.inbound.api import Schema
from chassis.outbound.breaker import BreakerState
from messaging.backlog import DeadLetterSchema, OutboxSchema


class BreakerSchema(Schema):
    """Say whether calls to a neighbour are let through."""

    state = fields.String(required=True, validate=validate.OneOf(list(BreakerState)))


class OperationsSchema(Schema):
    """Hold what an operator wants to know of the service; its outbox holds mails."""

    service = fields.String(required=True)
    breakers = fields.Dict(keys=fields.String(), values=fields.Nested(BreakerSchema), required=True)
    outbox = fields.Nested(OutboxSchema, required=True)
    dead_letters = fields.List(fields.Nested(DeadLetterSchema), required=True)
