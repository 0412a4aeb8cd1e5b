"""What TensorFlow logs about matters that its user cannot change."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

LOOPED = "Using a while_loop for converting"  # dropout's draws are looped over, once for a seed
RETRACED = "triggered tf.function retracing"  # each training traces functions of its own, once


@contextmanager
def quiet(notice: str) -> Iterator[None]:
    """Keeps TensorFlow from logging what contains this text."""

    def is_wanted(record: logging.LogRecord) -> bool:
        return notice not in record.getMessage()

    logger = logging.getLogger("tensorflow")
    logger.addFilter(is_wanted)
    try:
        yield
    finally:
        logger.removeFilter(is_wanted)
