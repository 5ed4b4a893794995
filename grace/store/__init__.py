"""Answers in as they arrive, and out again: nothing is lost, and nothing is asked twice."""

from grace.store.agreement import default_tolerance, disagreement, largest_difference
from grace.store.merging import Merged, merge
from grace.store.problems import StoreConflictError, StoreError
from grace.store.store import Counts, FailureRecord, Record, Store

__all__ = [
    "Counts",
    "FailureRecord",
    "Merged",
    "Record",
    "Store",
    "StoreConflictError",
    "StoreError",
    "default_tolerance",
    "disagreement",
    "largest_difference",
    "merge",
]
