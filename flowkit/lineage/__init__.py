"""The lineage database: who made what from what. One writer, many readers, plain SQLite underneath."""
