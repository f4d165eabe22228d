"""Collecting a store's garbage: what goes and why is decided purely, then forgotten in the database, then unlinked."""
