"""What the figures mean that are told beside the seconds of whole processes."""

FIGURES: dict[str, str] = {
    "ms_a_node": "milliseconds of the whole process for each node",
    "peak_mb": "the most memory of the process that calls flowkit, the driver, without its step hosts",
    "driver_mb": "the most memory of a run's first process",
    "worker_mb": "the most memory of any other of its processes",
    "written_mb": "what all processes of a run wrote, database and logs included",
    "stored_mb": "the store after the run, database and logs included",
    "database_mb": "the lineage database after the run",
    "put, write": "MB a second of putting a table, and of writing the same bytes with fsync",
    "get, touch": "MB a second of getting it, and of adding up a mapped file, its pages in memory",
    "*_from_disk": "the same, its pages on the disk",
    "touch_bytewise, hash": "adding it up a byte at a time, and hashing it",
    "*_ms": "milliseconds of an answer: ancestors (up) and descendants (down)",
    "first, again": "CPU seconds of fingerprints, of the first time in a process and of a later one",
    "parse": "CPU seconds of parsing and compiling the same sources",
    "key, lookup, both": "CPU microseconds a node",
    "seconds, megabytes": "CPU seconds of handing over a table, and by how much the peak of memory grew",
    "test": "seconds of one test",
}
