"""The DAG: arguments as trees, nodes and edges, checks of types, selections. Pure."""
