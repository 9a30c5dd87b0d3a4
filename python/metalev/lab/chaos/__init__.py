"""Seeded faults on a lab with real speakers, judged by what a client's questions were answered with."""
