"""Other frameworks beside flowkit: the same works, whole processes, first run and second.

`python -m benchmarks.peers` installs each peer into an environment of its own below `.peers/` and runs every work on it
twice, in a project of its own: cold, with nothing stored, and again, with everything stored. Each step appends a line
to a file, so it is seen from outside what the second run executed.
"""
