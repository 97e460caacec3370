"""Settings all tests share."""

import signal

import pytest
from hypothesis import settings

# A machine that is busy elsewhere must not fail a test: speed is measured by `restora bench`.
settings.register_profile("restora", deadline=None, max_examples=40, print_blob=True)
settings.load_profile("restora")


@pytest.fixture
def interruptible():
    """Interrupts as in a terminal; a shell's background work is started with them ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
