"""Pass@k on held-out sets, and what becomes of it: the table, files, predictions."""
