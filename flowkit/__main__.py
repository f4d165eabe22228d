"""What `flowkit` and `python -m flowkit` start; nothing else imports this."""

import os

from flowkit.signals import take_signals

INTERRUPTED = 130

# While the command is still being imported there is nothing to record and nothing to clean up.
take_signals(lambda number, frame: os._exit(INTERRUPTED))

from flowkit.cli.main import main  # noqa: E402

if __name__ == "__main__":
    main()
