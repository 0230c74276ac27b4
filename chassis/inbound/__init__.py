"""Serve requests: application set-up, bodies, problems, identity, health and metrics."""
