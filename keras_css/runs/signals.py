"""Signals that end a training: the step is finished and saved first."""

import os
import signal
import sys
import threading

ENDING = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Remembers SIGINT or SIGTERM while its context lasts.

    The first one is remembered; a second one ends the process at once. In
    another thread than the main one, signals stay as they are.

    Attributes:
        received: The signal, or None.
    """

    def __init__(self):
        self.received = None
        self._before = {}

    @property
    def name(self):
        return signal.Signals(self.received).name

    @property
    def exit_code(self):
        """128 + the signal's number: 130 for SIGINT, 143 for SIGTERM."""
        return 128 + self.received

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in ENDING:
                self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *error):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number, frame):
        if self.received is not None:
            os._exit(128 + number)
        self.received = number
        # Not print: the signal may have come in the middle of another one.
        os.write(
            sys.__stderr__.fileno(),
            f"\n{self.name}: saving after this step (or this epoch's "
            "validation); once more ends at once\n".encode(),
        )
