"""Be the `flowkit` command, and prove at its end that nothing heavy was imported: `with_command.py ARGUMENTS…`."""

import sys

HEAVY = ("distributed", "dask", "pandas", "numpy", "pyarrow", "networkx", "pandera", "sqlite_utils", "pydantic", "beartype")

if __name__ == "__main__":
    from flowkit.cli.main import main

    try:
        main()
    except SystemExit as end:
        loaded = [name for name in HEAVY if name in sys.modules]
        assert not loaded, f"imported: {', '.join(loaded)}"
        assert not end.code, end.code
