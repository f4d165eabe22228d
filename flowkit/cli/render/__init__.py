"""What commands print: plain lines in a pipe, tables and a live view on a terminal. Only this package uses rich."""
