"""The method: policy, engines, advantages, loss, and the RLVR step."""

import os

# Before PyTorch is loaded. OpenMP's threads spin while they wait for one another, which takes the core from whatever
# else runs on it: of two runs on two cores each took many times as long. They now sleep after a thirtieth of the turns
# that GNU's OpenMP makes by itself, which a run that has the machine for itself does not notice.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
