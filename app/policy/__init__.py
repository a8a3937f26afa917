"""Policies: causal language models with or without vision, their loading, and log-probabilities of responses."""

from app.policy.base import Policy
from app.policy.lora import LoRA, QLoRA
from app.policy.pretrained import PretrainedPolicy
from app.policy.tiny import TinyPolicy, character_tokenizer
from app.policy.vision import VisionPolicy

__all__ = ["LoRA", "Policy", "PretrainedPolicy", "QLoRA", "TinyPolicy", "VisionPolicy", "character_tokenizer"]
