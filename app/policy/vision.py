"""Policies that read pictures: vision-language checkpoints of transformers, Qwen2.5-VL.

A picture becomes consecutive image tokens of the prompt; the hidden states of the vision tower replace their
embeddings. Only prompts have pictures: in a response the image token is
an ordinary token.

A token has three positions (M-RoPE: time, height and width), which the model computes for a prompt; those of a response
continue from them. As for text models, a prompt is read once for all its responses if that is exact.

Pictures are always prepared by transformers' image processor with Pillow: the other one needs
torchvision and rounds differently.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from transformers import AutoImageProcessor, AutoModelForImageTextToText, PreTrainedModel, PreTrainedTokenizerBase

from app.policy.lora import LoRA
from app.policy.pretrained import PretrainedPolicy
from app.policy.sources import locate
from app.types import Prompt, Vision
from app.types.pictures import Picture, parts_of, pictures_of


class VisionPolicy(PretrainedPolicy):
    """A vision-language checkpoint of transformers: Qwen2.5-VL of any size.

    Args:
        path: a folder, or an id of the hub.
        revision: of the hub's repository.
        dtype: of the weights, such as "float32" or "bfloat16"; "auto" takes the checkpoint's own.
        attention: transformers' attention implementation for the vision tower, and where prompts are not shared.
        adapter: trained instead of the weights; None trains the weights.
        trust_remote_code: run code of the repository, which some models need; see SECURITY.md.
        freeze_vision: do not train the vision tower.
        max_pixels: larger pictures are scaled down to this; defaults to the checkpoint's bound.
        chat_template_kwargs: further arguments of the chat template; see `PretrainedPolicy`.
    """

    kind = AutoModelForImageTextToText

    def __init__(
        self,
        path: str,
        revision: str | None = None,
        dtype: str = "auto",
        attention: str = "sdpa",
        adapter: LoRA | None = None,
        trust_remote_code: bool = False,
        freeze_vision: bool = False,
        max_pixels: int | None = None,
        gradient_checkpointing: bool = False,
        head_tokens: int | None = None,
        chat_template_kwargs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            path,
            revision,
            dtype,
            attention,
            adapter,
            trust_remote_code,
            gradient_checkpointing,
            head_tokens,
            chat_template_kwargs,
        )
        if max_pixels is not None and max_pixels < 1:
            raise ValueError(f"max_pixels={max_pixels} must be at least 1")
        self.freeze_vision, self.max_pixels = freeze_vision, max_pixels

    def load(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        model, tokenizer = super().load()
        if model.config.model_type != "qwen2_5_vl":
            raise ValueError(f"VisionPolicy reads pictures as Qwen2.5-VL does, not as a {model.config.model_type} may")
        bound = {} if self.max_pixels is None else {"max_pixels": self.max_pixels}
        try:
            self.processor: Any = AutoImageProcessor.from_pretrained(
                locate(self.path),
                backend="pil",
                revision=self.revision,
                trust_remote_code=self.trust_remote_code,
                **bound,
            )
        except (OSError, ValueError) as error:
            raise ValueError(
                f"no image processor could be loaded from {self.path!r}: {error}".split("\n")[0]
            ) from error
        if tokenizer.chat_template is None:
            raise ValueError(f"{self.path!r} has no chat template, which says where pictures stand")
        return model, tokenizer

    def build(self) -> None:
        super().build()
        if self.freeze_vision:
            self.tower.requires_grad_(False)

    @property
    def tower(self) -> nn.Module:
        """The vision tower."""
        body: Any = self.body
        return body.visual

    @property
    def picture_token(self) -> int:
        """The id of the image token; a prompt has one for each hidden state of a picture."""
        return self.model.config.image_token_id

    def save_processor(self, folder: str | Path) -> None:
        super().save_processor(folder)
        self.processor.save_pretrained(folder)

    # -- prompts ----------------------------------------------------------------------------------

    def encode(self, prompt: Prompt) -> Tensor:
        return self.encode_with_vision(prompt)[0]

    def encode_with_vision(self, prompt: Prompt) -> tuple[Tensor, Vision]:
        """A prompt's tokens [L], with an image token for each hidden state; its pictures' patches and grids."""
        pictures = pictures_of(prompt)
        tokens = super().encode(prompt if isinstance(prompt, str) else tuple(map(_as_transformers, prompt)))
        of_pictures = tokens == self.picture_token
        if int(of_pictures.sum()) != len(pictures):
            name = self.tokenizer.convert_ids_to_tokens(self.picture_token)
            raise ValueError(
                f"a prompt with {len(pictures)} pictures has {int(of_pictures.sum())} of the tokens {name}, "
                "by the chat template or its own text"
            )
        if not pictures:
            return tokens, {}
        vision = dict(self.processor([picture.open() for picture in pictures], return_tensors="pt"))
        states = vision["image_grid_thw"].prod(-1) // self.processor.merge_size**2
        return tokens.repeat_interleave(torch.ones_like(tokens).masked_scatter(of_pictures, states)), vision

    def positions(self, prompt: Tensor, vision: Vision) -> Tensor:
        """Positions in time, height and width, by the model's own function.  [L] -> [3, L]"""
        if not vision:
            return super().positions(prompt, vision).expand(3, -1)
        body: Any = self.body
        kinds, grid = (prompt == self.picture_token).int(), vision["image_grid_thw"].to(prompt.device)
        return body.get_rope_index(prompt[None], mm_token_type_ids=kinds[None], image_grid_thw=grid)[0][:, 0]

    def folded(self, prompt: Tensor, vision: Vision) -> Tensor:
        """The prompt with one token for each picture, as from the chat template.  [L] -> [l]"""
        places = (prompt == self.picture_token).nonzero()[:, 0]
        states = (vision["image_grid_thw"].prod(-1) // self.processor.merge_size**2).to(places.device)
        kept = prompt != self.picture_token
        kept[places[states.cumsum(0) - states]] = True
        return prompt[kept]

    def probes(self, lengths: Sequence[int], vocabulary: int = 1000) -> tuple[list[Tensor], list[Vision]]:
        """The first of them has a picture."""
        prompts, vision = super().probes(lengths, vocabulary)
        prompts = [prompt.masked_fill(prompt == self.picture_token, 0) for prompt in prompts]
        tokens, vision[0] = self.encode_with_vision(RAMP)
        return [tokens.to(self.model.device), *prompts[1:]], vision

    # -- inputs of the model ----------------------------------------------------------------------

    def inputs(self, ids: Tensor, of_prompts: Tensor, vision: Sequence[Vision]) -> dict[str, Any]:
        """Embeddings, with hidden states for image tokens.  [R, L], bool [R, L] -> [R, L, hidden]"""
        embeddings = self.model.get_input_embeddings()(ids)
        if not any(vision):
            return {
                "inputs_embeds": embeddings + self.zero_weight_vision_pass()
                if self.needs_matching_passes
                else embeddings
            }
        places = of_prompts & (ids == self.picture_token)
        states = self.see(vision).to(embeddings.dtype)
        if int(places.sum()) != len(states):
            raise ValueError(f"{len(states)} states of pictures can't stand in {int(places.sum())} places")
        return {"inputs_embeds": embeddings.masked_scatter(places[..., None], states)}

    @property
    def needs_matching_passes(self) -> bool:
        """Whether weights are sharded and gradients enabled: then all processes must run the same passes."""
        return isinstance(self, FSDPModule) and torch.is_grad_enabled()

    def zero_weight_vision_pass(self) -> Tensor:
        """A vision pass multiplied by 0, so that the FSDP collectives of all processes match.  -> []"""
        return 0.0 * self.see([self.ramp]).sum()

    @cached_property
    def ramp(self) -> Vision:
        """The model's inputs for a small picture."""
        return self.encode_with_vision(RAMP)[1]

    def see(self, vision: Sequence[Vision]) -> Tensor:
        """Hidden states of all pictures, in order; repeated pictures are computed once.  -> [states, hidden]"""
        body: Any = self.body
        distinct = {id(each): each for each in vision if each}
        patches, grids = (
            torch.cat([each[name] for each in distinct.values()]).to(self.model.device)
            for name in ("pixel_values", "image_grid_thw")
        )
        seen = iter(body.get_image_features(patches, grids, return_dict=True).pooler_output)
        states = {name: torch.cat([next(seen) for _ in each["image_grid_thw"]]) for name, each in distinct.items()}
        return torch.cat([states[id(each)] for each in vision if each])

    def plain_inputs(self, ids: Tensor, starts: Tensor, vision: Sequence[Vision]) -> dict[str, Any]:
        place = torch.arange(ids.shape[1], device=ids.device)
        positions = []
        for row, start, each in zip(ids, starts.tolist(), vision, strict=True):
            prompt = self.positions(row[:start], each)  # [3, S]
            positions.append(torch.cat([prompt, prompt[:, -1:] + 1 + place[: len(row) - start]], -1))
        inputs = self.inputs(ids, place < starts[:, None], vision)
        return {**inputs, "position_ids": torch.stack(positions, 1)}  # [3, R, L]

    def forward_logits(self, prompt: Tensor, vision: Vision) -> Tensor:
        there = {name: value.to(prompt.device) for name, value in vision.items()}
        kinds = (prompt == self.picture_token).int()
        return self.model(input_ids=prompt[None], mm_token_type_ids=kinds[None], **there).logits


class Ramp(Picture):
    """A small picture for testing a model; it is not square, and all its parts differ."""

    digest = "ramp"

    def open(self) -> Image.Image:
        return Image.linear_gradient("L").resize((84, 56)).convert("RGB")


RAMP: Prompt = ({"role": "user", "content": (Ramp(), "?")},)


def _as_transformers(message: dict[str, Any]) -> dict[str, Any]:
    """A message for chat templates, which get only the types of its parts, not the pictures."""
    if isinstance(message["content"], str):
        return message
    parts = parts_of(message["content"])
    content = [{"type": "text", "text": part} if isinstance(part, str) else {"type": "image"} for part in parts]
    return {**message, "content": content}
