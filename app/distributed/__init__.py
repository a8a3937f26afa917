"""Several processes: collectives, sharded weights, and weights gathered from them."""
