"""`python` for a document's commands: a process that a warm server forks, which this one stands for.

Run as `python -I -S warm_client.py SOCKET KNOWN ARGUMENTS`, where KNOWN names variables that the server has too. An
interpreter of its own is started where the command's arguments or variables are such as only that hears.
"""

import array
import json
import os
import signal
import socket
import sys

_AT_START = ("PANDERA_", "PYTHON", "OMP_", "OPENBLAS_", "MKL_", "NUMEXPR_", "ARROW_", "LC_")
"""Variables that Python or libraries read once, when they start or are imported."""

_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    """Ask for the process, hand on signals, and end as it ends."""
    address, known, *arguments = sys.argv[1:]
    first = arguments[0] if arguments else ""
    started = [name for name in os.environ if name.startswith(_AT_START) and name not in known.split(",")]
    if started or not first or (first.startswith("-") and first not in {"-c", "-m"}):
        os.execv(sys.executable, [sys.executable, *arguments])
    mask = os.umask(0o022)
    told = {"arguments": arguments, "folder": os.getcwd(), "variables": dict(os.environ), "mask": mask}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.connect(address)
        content = json.dumps(told).encode() + b"\n"
        sent = server.sendmsg([content], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
        server.sendall(content[sent:])
        answers = server.makefile()
        pid = int(answers.readline())
        for number in _FORWARDED:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda number, _: os.kill(pid, number))
        code = int(answers.readline())
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


main()
