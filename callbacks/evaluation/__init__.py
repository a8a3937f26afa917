"""Pass@k on held-out sets: the evaluation, its tables and result files; predictions."""
