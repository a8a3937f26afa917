"""What is measured of rollouts: Pass@k, intervals, and the sampler's mismatch with the trainer."""
