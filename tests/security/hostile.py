"""Texts that would lead out of a folder, end a statement, or speak to a terminal, if they were taken at their word."""

from __future__ import annotations

from tests.store.traversal import TRAVERSALS

SPEAKING = [
    "\x1b]0;title\x07",
    "\x1b[2J",
    "a\r\nb",
    "a\u202eb",
    "\x9b2J",
    "\ud800",
    "\udcff",
    "x" * 300,
]
"""Escapes of terminals, half a character, a byte that is no UTF-8, more than a file system takes."""

STATEMENTS = [
    "%",
    "_",
    "%%",
    "____________________",
    "l%",
    "loa_",
    "*",
    "[a-z]*",
    "?",
    "'",
    '"',
    "' OR 1=1 --",
    "' OR ''='",
    "x'; DROP TABLE run; --",
    'x"; DROP TABLE run; --',
    "load' UNION SELECT text FROM word --",
    "load\\' OR 1=1 --",
    "'); DELETE FROM word; --",
    "load--",
    "load/**/",
    "1; ATTACH DATABASE 'owned.db' AS owned; --",
    ":run",
    "?1",
    "@run",
]
"""Statements of SQL, its wildcards and its parameters."""

OPTIONS = ["-x", "--help", "--", "-p", "--store=owned"]

EXPRESSIONS = [
    "__import__('os').mkdir('owned')",
    "${jndi:ldap://x}",
    "{{7*7}}",
    "{0.__class__}",
    "%(x)s",
    "$(mkdir owned)",
    "`mkdir owned`",
    "; mkdir owned",
    "| mkdir owned",
    "!!python/object/apply:os.mkdir [owned]",
    "lambda: 0",
    "@owned.json",
]
"""What an evaluator, a template engine, a shell or a YAML reader would run."""

HOSTILE: list[str] = list(dict.fromkeys([*TRAVERSALS, *SPEAKING, *STATEMENTS, *OPTIONS, *EXPRESSIONS]))
