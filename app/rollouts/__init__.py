"""The rollout worker: encodes problems, samples answers and scores them."""
