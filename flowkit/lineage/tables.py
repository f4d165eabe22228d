"""The tables of the lineage database, version 1.

They are compact: integer ids, binary digests interned once, repeated words in one table. People read the views.

- `pipeline_node` is a node's place in its pipeline, `node` its row in one run.
- `execution` is one success, or one failure with a known key, with all that went in and came out. The node rows of
  many runs point to it, so a reused node costs one small row and still shows its inputs and outputs.
- `entry` is what later runs may reuse: the execution that stands, and which generation of results it is.
- Digests are indexed by their first 12 bytes: as good as unique, and a third as large; a clash is refused.
- `artifact.refers` is what an artifact names, as JSON: a list that recurs, as values of one kind name the same.
- `argument_value` is shared where the writer remembers that it has met the value before; it is not unique.
"""

from __future__ import annotations

WORDS = (
    "executed",
    "reused",
    "failed",
    "skipped",
    "blocked",
    "cancelled",
    "running",
    "succeeded",
    "crashed",
    "parameter",
    "input",
    "return",
    "champion",
)
"""Words with fixed ids, from 1: they must never be reordered. The partial index on reused nodes needs one."""

EXECUTED = WORDS.index("executed") + 1
REUSED = WORDS.index("reused") + 1
FAILED = WORDS.index("failed") + 1
CHAMPION = WORDS.index("champion") + 1

_VOCABULARY = """
CREATE TABLE word (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
)
"""

_RUNS = """
CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    run TEXT NOT NULL UNIQUE,
    pipeline INTEGER NOT NULL REFERENCES word,
    target TEXT NOT NULL,
    env INTEGER NOT NULL REFERENCES word,
    status INTEGER NOT NULL REFERENCES word,
    exit_code INTEGER,
    started REAL NOT NULL,
    ended REAL,
    parameters TEXT NOT NULL,
    git_commit TEXT,
    git_dirty INTEGER,
    user TEXT NOT NULL,
    host TEXT NOT NULL,
    argv TEXT NOT NULL,
    driver TEXT NOT NULL
);
CREATE INDEX run_pipeline ON run (pipeline);
CREATE INDEX run_open ON run (status) WHERE ended IS NULL;
CREATE TABLE pipeline_node (
    id INTEGER PRIMARY KEY,
    pipeline INTEGER NOT NULL REFERENCES word,
    name TEXT NOT NULL,
    step INTEGER NOT NULL REFERENCES word,
    map_index INTEGER
);
CREATE UNIQUE INDEX pipeline_node_name ON pipeline_node (name, pipeline, step, ifnull(map_index, -1));
CREATE TABLE node (
    run INTEGER NOT NULL REFERENCES run,
    pipeline_node INTEGER NOT NULL REFERENCES pipeline_node,
    outcome INTEGER NOT NULL REFERENCES word,
    reason INTEGER REFERENCES word,
    detail INTEGER REFERENCES word,
    attempts INTEGER NOT NULL,
    started_ms INTEGER,
    microseconds INTEGER,
    worker INTEGER REFERENCES word,
    peak_memory INTEGER,
    log TEXT,
    failure TEXT,
    execution INTEGER REFERENCES execution,
    PRIMARY KEY (run, pipeline_node)
) WITHOUT ROWID;
CREATE INDEX node_history ON node (pipeline_node, run);
"""

_RESULTS = f"""
CREATE TABLE code_fingerprint (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    modules TEXT NOT NULL,
    distributions TEXT NOT NULL,
    uncacheable TEXT
);
CREATE TABLE code_part (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL,
    name TEXT NOT NULL,
    basis INTEGER NOT NULL REFERENCES word,
    source TEXT NOT NULL,
    UNIQUE (digest, name, basis)
);
CREATE TABLE code_member (
    code INTEGER NOT NULL REFERENCES code_fingerprint,
    position INTEGER NOT NULL,
    part INTEGER NOT NULL REFERENCES code_part,
    PRIMARY KEY (code, position)
) WITHOUT ROWID;
CREATE TABLE environment (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    content TEXT NOT NULL
);
CREATE TABLE entry (
    id INTEGER PRIMARY KEY,
    entry_key BLOB NOT NULL,
    step INTEGER NOT NULL REFERENCES word,
    generation INTEGER NOT NULL,
    execution INTEGER REFERENCES execution
);
CREATE UNIQUE INDEX entry_key ON entry (substr(entry_key, 1, 12));
CREATE INDEX entry_step ON entry (step);
CREATE TABLE execution (
    id INTEGER PRIMARY KEY,
    cache_key BLOB NOT NULL,
    entry INTEGER REFERENCES entry,
    run INTEGER NOT NULL REFERENCES run,
    pipeline_node INTEGER NOT NULL REFERENCES pipeline_node,
    code INTEGER NOT NULL REFERENCES code_fingerprint,
    environment INTEGER NOT NULL REFERENCES environment,
    succeeded INTEGER NOT NULL,
    created_ms INTEGER NOT NULL
);
CREATE INDEX execution_cache_key ON execution (substr(cache_key, 1, 12));
CREATE INDEX node_reused ON node (execution, run) WHERE outcome = {REUSED};
CREATE INDEX node_failed ON node (execution) WHERE outcome = {FAILED};
CREATE TABLE observed_names (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    names TEXT NOT NULL
);
CREATE TABLE cache_key_observed (
    cache_key BLOB NOT NULL,
    names INTEGER NOT NULL REFERENCES observed_names,
    execution INTEGER NOT NULL REFERENCES execution,
    PRIMARY KEY (cache_key, names)
) WITHOUT ROWID;
"""

_CONTENT = """
CREATE TABLE artifact (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL,
    format INTEGER NOT NULL REFERENCES word,
    bytes INTEGER NOT NULL,
    inline BLOB,
    refers INTEGER REFERENCES word
);
CREATE UNIQUE INDEX artifact_digest ON artifact (substr(digest, 1, 12));
CREATE TABLE blob_file (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL,
    suffix INTEGER NOT NULL REFERENCES word,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    UNIQUE (digest, suffix)
);
CREATE TABLE artifact_file (
    artifact INTEGER NOT NULL REFERENCES artifact,
    position INTEGER NOT NULL,
    file INTEGER NOT NULL REFERENCES blob_file,
    PRIMARY KEY (artifact, position)
) WITHOUT ROWID;
CREATE TABLE file_digest (
    device INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    digest BLOB NOT NULL,
    hashed_at REAL NOT NULL,
    PRIMARY KEY (device, inode)
) WITHOUT ROWID;
"""

_ACCOUNT = """
CREATE TABLE argument_value (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL,
    kind INTEGER NOT NULL REFERENCES word,
    shown TEXT NOT NULL
);
CREATE TABLE argument (
    execution INTEGER NOT NULL REFERENCES execution,
    position INTEGER NOT NULL,
    parameter INTEGER NOT NULL REFERENCES word,
    value INTEGER NOT NULL REFERENCES argument_value,
    PRIMARY KEY (execution, position)
) WITHOUT ROWID;
CREATE TABLE input (
    execution INTEGER NOT NULL REFERENCES execution,
    position INTEGER NOT NULL,
    parameter INTEGER NOT NULL REFERENCES word,
    artifact INTEGER NOT NULL REFERENCES artifact,
    PRIMARY KEY (execution, position)
) WITHOUT ROWID;
CREATE INDEX input_artifact ON input (artifact, execution);
CREATE TABLE output (
    execution INTEGER NOT NULL REFERENCES execution,
    position INTEGER NOT NULL,
    name INTEGER NOT NULL REFERENCES word,
    artifact INTEGER NOT NULL REFERENCES artifact,
    PRIMARY KEY (execution, position)
) WITHOUT ROWID;
CREATE INDEX output_artifact ON output (artifact, execution);
CREATE TABLE metric (
    execution INTEGER NOT NULL REFERENCES execution,
    position INTEGER NOT NULL,
    name INTEGER NOT NULL REFERENCES word,
    value REAL,
    PRIMARY KEY (execution, position)
) WITHOUT ROWID;
CREATE TABLE observed_input (
    execution INTEGER NOT NULL REFERENCES execution,
    position INTEGER NOT NULL,
    kind INTEGER NOT NULL REFERENCES word,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (execution, position)
) WITHOUT ROWID;
"""

_REGISTRY = """
CREATE TABLE model (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
CREATE TABLE model_version (
    id INTEGER PRIMARY KEY,
    model INTEGER NOT NULL REFERENCES model,
    version INTEGER NOT NULL,
    artifact INTEGER NOT NULL REFERENCES artifact,
    run INTEGER REFERENCES run,
    node TEXT,
    created REAL NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('registered', 'refused', 'rolled_back', 'retired')),
    UNIQUE (model, version),
    UNIQUE (model, artifact)
);
CREATE TABLE model_alias (
    model INTEGER NOT NULL REFERENCES model,
    name TEXT NOT NULL,
    version INTEGER NOT NULL REFERENCES model_version,
    PRIMARY KEY (model, name)
) WITHOUT ROWID;
CREATE TABLE alias_move (
    id INTEGER PRIMARY KEY,
    model INTEGER NOT NULL REFERENCES model,
    alias TEXT NOT NULL,
    earlier INTEGER REFERENCES model_version,
    version INTEGER NOT NULL REFERENCES model_version,
    action TEXT NOT NULL,
    at REAL NOT NULL
);
CREATE INDEX alias_move_alias ON alias_move (model, alias);
CREATE TABLE judgement (
    id INTEGER PRIMARY KEY,
    version INTEGER NOT NULL REFERENCES model_version,
    alias TEXT NOT NULL,
    run INTEGER REFERENCES run,
    accepted INTEGER NOT NULL,
    reason TEXT,
    metrics TEXT NOT NULL,
    at REAL NOT NULL
);
CREATE INDEX judgement_version ON judgement (version);
CREATE INDEX judgement_run ON judgement (run);
CREATE TABLE gate_verdict (
    judgement INTEGER NOT NULL REFERENCES judgement,
    position INTEGER NOT NULL,
    gate TEXT NOT NULL,
    observed REAL NOT NULL,
    required REAL,
    passed INTEGER NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (judgement, position)
) WITHOUT ROWID;
CREATE TABLE audit_record (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    evidence TEXT NOT NULL,
    previous BLOB NOT NULL,
    hash BLOB NOT NULL
);
CREATE TRIGGER audit_record_update BEFORE UPDATE ON audit_record
BEGIN SELECT RAISE(ABORT, 'the audit log is only ever appended to'); END;
CREATE TRIGGER audit_record_delete BEFORE DELETE ON audit_record
BEGIN SELECT RAISE(ABORT, 'the audit log is only ever appended to'); END
"""

TABLES = "".join((_VOCABULARY, ";", _RUNS, _RESULTS, _CONTENT, _ACCOUNT, _REGISTRY))
"""The statements that make the tables of version 1."""
