"""The method: policy, engines, advantages, loss, and the RLVR step."""

import os

# Before PyTorch is loaded. OpenMP's threads spin for milliseconds while they wait for one another, which takes the core
# from whatever else runs on it: two runs on two cores took many times as long each. After some ten microseconds they
# now sleep, which a run that has the machine for itself does not notice.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
