"""Values to canonical bytes and back: one codec a kind of value, and a registry that chooses among them."""
