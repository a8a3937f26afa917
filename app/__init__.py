"""The method: policy, engines, advantages, loss, and the RLVR step."""
