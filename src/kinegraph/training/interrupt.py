"""Ctrl-C and SIGTERM as a question that the loop asks when it suits, so that what it was doing gets done."""

import signal
import threading
from contextlib import contextmanager


@contextmanager
def stop_request():
    """Yields a function that tells whether Ctrl-C or SIGTERM came; a second one interrupts at once."""
    asked = []

    def ask(number, frame):
        asked.append(number)
        signal.signal(number, before[number])

    in_main = threading.current_thread() is threading.main_thread()  # elsewhere Python allows no handlers
    numbers = (signal.SIGINT, signal.SIGTERM) if in_main else ()
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        signal.signal(number, ask)
    try:
        yield lambda: bool(asked)
    finally:
        for number in numbers:
            signal.signal(number, before[number])
