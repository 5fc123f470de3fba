"""How a run ends before its time: when it is asked to, and when the process that started it is gone."""

import os
import signal
import threading
import time
from contextlib import contextmanager


@contextmanager
def stop_request():
    """Yields a function that tells whether Ctrl-C or SIGTERM came; a second one interrupts at once.

    A question that the loop asks when it suits, so that what it was doing gets done.
    """
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


def end_with_launcher() -> None:
    """End this process soon after the one that started it; a launcher that is killed cannot tell its processes to stop.

    They would wait for each other, half an hour or for ever, and keep their GPUs.
    """
    launcher = os.getppid()

    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
