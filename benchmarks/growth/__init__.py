"""How cost grows with nodes, megabytes and artifacts: measured, kept as JSON, and drawn from that."""
