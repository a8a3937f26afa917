"""From problems to scored rollouts: the worker that encodes, samples and scores."""
