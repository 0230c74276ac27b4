"""Tell other services what happened, and hear from them: each event at least once, with one effect.

Patterns: Transactional outbox, Idempotent consumer (Richardson, Microservices Patterns, chapter 3).
It stands on storage and the chassis, and knows no service.
"""
