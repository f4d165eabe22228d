"""The command line: one thin module a command group. Only this package uses click, and only `render` uses rich."""
