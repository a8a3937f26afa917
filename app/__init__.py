"""The method: policy, engines, advantages, loss, and the RLVR step."""

import os

# Before PyTorch is loaded. Threads of OpenMP spin while they wait for one another, which takes the core from whatever
# else runs on it: two runs on two cores took ten times as long each, and by sleeping instead twice as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
