"""Keep state: databases, their revisions, and records that make repetitions safe.

Patterns: Database per service, Transactional outbox, Idempotent consumer (Richardson,
Microservices Patterns, chapters 2 and 3).  It stands beside the chassis, for services that keep
something; it knows the chassis, and no service.
"""
