"""Training with several processes: collectives, sharded weights, and their full weights."""
