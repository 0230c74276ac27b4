"""Measure what the shop costs, with the shop's own processes."""
