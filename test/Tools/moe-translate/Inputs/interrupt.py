#!/usr/bin/env python3
"""Interrupts a command while it writes a file: SIGNAL FOLDER COMMAND...

Succeeds when the signal ended the command and no temporary file is left.
"""

import os
import signal
import subprocess
import sys
import time

number = signal.Signals[sys.argv[1]]
folder = sys.argv[2]


def temporary_files():
    return [name for name in os.listdir(folder) if ".tmp-" in name]


# A shell starts commands in the background with SIGINT ignored.
process = subprocess.Popen(
    sys.argv[3:], preexec_fn=lambda: signal.signal(number, signal.SIG_DFL)
)
while not temporary_files():
    if process.poll() is not None:
        sys.exit(f"the command ended by itself: {process.returncode}")
    time.sleep(0.01)
process.send_signal(number)
if process.wait() != -number:
    sys.exit(f"expected an end by {number.name}, found {process.returncode}")
if temporary_files():
    sys.exit(f"left behind: {temporary_files()}")
