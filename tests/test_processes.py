"""Processes that live and that do not."""

import os
import subprocess
import sys

from restora._processes import lives


def test_who_lives():
    assert lives(os.getpid())
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    ended.wait()
    assert not lives(ended.pid)
    assert lives(10**30)  # nobody knows of such a number
