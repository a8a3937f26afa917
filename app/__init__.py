"""The RLVR method: policy, engines, advantages, losses and the training step."""

import os

# Must be set before PyTorch is loaded. OpenMP's threads busy-wait for one another, which blocks the core for other
# processes: with two runs on two cores, each took many times as long. Threads now sleep after a thirtieth of the
# default spin count of GNU's OpenMP; a run alone on the machine is not measurably slower.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
