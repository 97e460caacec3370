"""The command without the seconds that a process takes to start."""

import signal
import subprocess
import sys

import pytest

from restora.cli.main import main


@pytest.fixture
def typed(monkeypatch, capfd):
    """Runs the command as a user types it, and gives its exit code and what it printed.

    In this process; that it is a program of its own is tested in ``test_restore.py``.
    """

    def run(*arguments, cwd=None):
        capfd.readouterr()
        interrupted = signal.getsignal(signal.SIGINT)
        with monkeypatch.context() as patched:
            patched.setattr(sys, "argv", ["restora", *map(str, arguments)])
            patched.setenv("OPENBLAS_NUM_THREADS", "1")  # as it does, but for this call alone
            if cwd is not None:
                patched.chdir(cwd)
            try:
                with pytest.raises(SystemExit) as ended:
                    main()
            finally:
                signal.signal(signal.SIGINT, interrupted)
        said = capfd.readouterr()
        return subprocess.CompletedProcess(arguments, ended.value.code or 0, said.out, said.err)

    return run
