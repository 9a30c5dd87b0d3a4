"""Frozen values and nothing else: no clock, socket, thread or file.

Every value is compared by content and may be shared between threads. They are made by the adapters' codecs and read by
everybody else.
"""
