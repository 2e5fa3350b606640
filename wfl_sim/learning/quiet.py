"""Silence while a model is fetched and loaded: what it would report is meant to be so."""

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.utils import logging as hub_logging
from transformers.utils import logging


@contextmanager
def quiet() -> Iterator[None]:
    """Hide load reports of transformers, its progress bars, and the Hub's retries, for a while."""
    hub = hub_logging.get_verbosity()
    hub_logging.set_verbosity_error()
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        hub_logging.set_verbosity(hub)
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
