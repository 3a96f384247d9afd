"""Judging each disk format by its own words: what it claims, what it would open, whether it is whole.

Every parser here is a pure function over a ``Reader``: it reads a bounded amount and executes nothing.
"""
