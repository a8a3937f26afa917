"""Metrics of rollouts: Pass@k, intervals, and the mismatch of sampler and trainer."""
