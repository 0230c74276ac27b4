"""Keep state: databases, their revisions, and records that make repetitions safe.

Pattern: Database per service (Richardson, Microservices Patterns, 2.2).  It stands beside the
chassis, for services that keep something; it knows the chassis, and no service.
"""
