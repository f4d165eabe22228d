"""What `flowkit` and `python -m flowkit` start; nothing else imports this."""

import os

from flowkit.garbage import keeping_imports, own_process
from flowkit.signals import take_signals

INTERRUPTED = 130

# While the command is still being imported there is nothing to record and nothing to clean up.
take_signals(lambda number, frame: os._exit(INTERRUPTED))

own_process()
with keeping_imports():
    from flowkit.cli.main import main

if __name__ == "__main__":
    main()
