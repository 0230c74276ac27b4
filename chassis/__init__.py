"""Hold the microservice chassis: cross-cutting concerns that every service shares.

Pattern: Microservice chassis (Richardson, Microservices Patterns, chapter 11).

The rooms follow the way a request goes: :mod:`chassis.inbound` serves it, :mod:`chassis.outbound`
calls neighbours for it.  The chassis knows no service and no word of the business; what a service
keeps is the matter of :mod:`storage`.
"""
