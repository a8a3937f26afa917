"""Pictures from the prompt to the update, on a tiny random Qwen2.5-VL."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoImageProcessor,
    AutoModelForImageTextToText,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
)

from app.cli import main
from app.engines.decoders import RecomputingDecoder, SharedPrefixDecoder
from app.engines.transformers import _PROVEN, TransformersEngine, decoder_for
from app.policy import LoRA, PretrainedPolicy, TinyPolicy, VisionPolicy
from app.storage.diagnose import save_update
from app.types import Experience, Prompt, Request, Rollouts, Sampling
from app.types.pictures import Picture
from benchmarks.make_vision_policy import PIXELS
from benchmarks.make_vision_policy import main as make_vision_policy
from datamodules.maze.picture_prompts import InstructivePicturePrompt, MazePicture
from tests.app.checkpoints import GROUPED, write
from tests.app.seeing import write_vision
from tests.conftest import PICTURES, ROOT, CommandLine, EchoProblem, constant, demonstrated, gap, stage, weights
from tests.test_configs import shrunk, stages_of

ONE = MazePicture(("*****", "*S.E*", "*****"), PIXELS)
OTHER = MazePicture(("*****", "*E.S*", "*****"), PIXELS)
LARGE = MazePicture(("******", "*S...*", "*.**.*", "*...E*", "******"), PIXELS)


def asked(*content: str | Picture) -> Prompt:
    return ({"role": "user", "content": content},)


PROMPTS = [asked(ONE, "where?"), ({"role": "user", "content": "no picture"},), asked("from ", ONE, "to", LARGE)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_vision(tmp_path_factory.mktemp("vision") / "checkpoint")


@pytest.fixture(scope="module")
def policy(folder: Path) -> VisionPolicy:
    policy = VisionPolicy(str(folder))
    policy.build()
    return policy


def sampled(policy: VisionPolicy, prompts: Sequence[Prompt] = PROMPTS, n: int = 3) -> Rollouts:
    engine = TransformersEngine()
    engine.sync(policy)
    problems = [EchoProblem(str(place)) for place in range(len(prompts))]
    read = [policy.encode_with_vision(prompt) for prompt in prompts]
    requests = [Request(p, tokens, p.key, vision) for p, (tokens, vision) in zip(problems, read, strict=True)]
    groups = engine.generate(requests, n, Sampling(max_new_tokens=8))
    tokens, vision = zip(*read, strict=True)
    rewards = torch.zeros(len(prompts), n)
    return Rollouts(list(problems), list(tokens), groups, rewards, vision=list(vision))


def rows_of(batch: Rollouts) -> Experience:
    return batch.experience(torch.ones_like(batch.rewards))


# -- reading ------------------------------------------------------------------------------------------


def test_a_picture_is_as_many_tokens_as_it_has_states(policy: VisionPolicy) -> None:
    tokens, vision = policy.encode_with_vision(asked("from ", ONE, "to", LARGE))
    assert int((tokens == policy.picture_token).sum()) == 3 * 5 + 5 * 6
    assert vision["image_grid_thw"].tolist() == [[1, 6, 10], [1, 10, 12]]  # two patches to a side of a state
    shown = policy.tokenizer.decode(tokens).replace("<|image_pad|>", "#")
    begin, end = "<|vision_start|>", "<|vision_end|>"
    assert shown == (
        f"<|im_start|>user\nfrom {begin}{'#' * 15}{end}to{begin}{'#' * 30}{end}<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_large_picture_is_scaled_down_to_the_bound(folder: Path) -> None:
    policy = VisionPolicy(str(folder), max_pixels=6 * PIXELS**2)
    policy.build()
    assert int((policy.encode(asked(LARGE)) == policy.picture_token).sum()) <= 6
    with pytest.raises(ValueError, match="max_pixels=0 must be at least 1"):
        VisionPolicy(str(folder), max_pixels=0)


@pytest.mark.parametrize("prompt", [asked(ONE, "an <|image_pad|> of my own"), "an <|image_pad|> in plain text"])
def test_a_text_that_spells_a_picture_is_refused(policy: VisionPolicy, prompt: Prompt) -> None:
    with pytest.raises(ValueError, match=r"has \d of the tokens <\|image_pad\|>"):
        policy.encode_with_vision(prompt)


def test_a_folded_prompt_has_a_token_for_each_picture(policy: VisionPolicy) -> None:
    """Also of two that stand side by side."""
    for content, number in [((ONE, LARGE, "?"), 2), (("a", ONE), 1)]:
        tokens, vision = policy.encode_with_vision(asked(*content))
        folded = policy.folded(tokens, vision)
        assert policy.tokenizer.decode(folded).count("<|image_pad|>") == number
        assert len(folded) == len(tokens) - int((tokens == policy.picture_token).sum()) + number
    bare = tokens[tokens == policy.picture_token].repeat(2)  # without signs between them
    twice = {name: torch.cat([value, value]) for name, value in vision.items()}
    assert len(policy.folded(bare, twice)) == 2


def test_positions_are_the_models_own(policy: VisionPolicy) -> None:
    """By hand: a picture of 3 x 5 states after 3 tokens holds the places 3 to 5 and 3 to 7, and text goes on at 8."""
    tokens, vision = policy.encode_with_vision(asked(ONE))
    before = int((tokens == policy.picture_token).nonzero()[0])
    time, height, width = policy.positions(tokens, vision).tolist()
    picture = slice(before, before + 15)
    assert time[picture] == [before] * 15
    assert height[picture] == [before + row for row in range(3) for _ in range(5)]
    assert width[picture] == [before + column for _ in range(3) for column in range(5)]
    assert (
        time[before + 15 :] == width[before + 15 :] == list(range(before + 5, before + 5 + len(tokens) - before - 15))
    )


def test_policies_without_eyes_say_so(tmp_path: Path, tiny_policy: type[TinyPolicy]) -> None:
    pretrained = PretrainedPolicy(str(write("qwen2.5 instruct", tmp_path)))
    pretrained.build()
    for blind in (tiny_policy(), pretrained):
        with pytest.raises(ValueError, match=r"can't read the prompt's pictures: app\.policy\.VisionPolicy does"):
            blind.encode(asked(ONE, "abc"))


def test_a_checkpoint_without_eyes_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no policy could be loaded from") as error:
        VisionPolicy(str(write("qwen2.5 instruct", tmp_path))).build()
    assert "\n" not in str(error.value)


def test_a_checkpoint_that_sees_otherwise_is_one_clear_error(folder: Path, tmp_path: Path) -> None:
    eyes = {"depth": 1, "embed_dim": 32, "num_heads": 2, "hidden_size": GROUPED["hidden_size"]}
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2]}
    config = Qwen2VLConfig(text_config={**GROUPED, "vocab_size": 300, "rope_parameters": rope}, vision_config=eyes)
    Qwen2VLForConditionalGeneration(config).save_pretrained(tmp_path)
    VisionPolicy(str(folder)).load()[1].save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"reads pictures as Qwen2\.5-VL does, not as a qwen2_vl may"):
        VisionPolicy(str(tmp_path)).build()


def test_a_checkpoint_without_an_image_processor_is_one_clear_error(tmp_path: Path) -> None:
    (write_vision(tmp_path) / "preprocessor_config.json").unlink()
    with pytest.raises(ValueError, match="no image processor could be loaded from") as error:
        VisionPolicy(str(tmp_path)).build()
    assert "\n" not in str(error.value)


# -- sampling and scoring -------------------------------------------------------------------------------


@pytest.mark.parametrize("decoder", [SharedPrefixDecoder, RecomputingDecoder])
@pytest.mark.parametrize("shared", [True, False])
def test_sampled_logprobs_are_those_of_training(folder: Path, shared: bool, decoder: type) -> None:
    """Prompts shared or not, in both."""
    policy = VisionPolicy(str(folder))
    policy.build()
    assert policy.shares_prompts
    assert decoder_for(policy) is SharedPrefixDecoder
    _PROVEN[policy] = decoder
    batch = sampled(policy)
    policy._shares_prompts = shared
    rows = rows_of(batch)
    assert rows.sampler_logprobs is not None
    assert rows.entropies is not None
    with torch.no_grad():
        logprobs, entropies = policy.score(rows, with_entropy=True)
    torch.testing.assert_close(logprobs, rows.sampler_logprobs, rtol=0, atol=1e-5)
    torch.testing.assert_close(entropies, rows.entropies, rtol=0, atol=1e-5)


def test_logprobs_are_those_of_the_model_itself(policy: VisionPolicy) -> None:
    """transformers' own forward pass, pictures and positions its own, a row at a time."""
    batch = sampled(policy)
    rows = rows_of(batch)
    with torch.no_grad():
        ours = policy.logprobs(rows)
        for row, problem in enumerate(rows.problem.tolist()):
            said = rows.tokens[row][rows.mask[row]]
            if (said == policy.picture_token).any():
                continue  # the model itself would look for a picture there
            prompt, vision = rows.prompts[problem], rows.vision[problem]
            logits = policy.forward_logits(torch.cat([prompt, said]), vision)[0, len(prompt) - 1 : -1]
            own = logits.log_softmax(-1).gather(-1, said[:, None])[:, 0]
            torch.testing.assert_close(ours[row][rows.mask[row]], own, rtol=0, atol=1e-5)


def test_a_response_may_say_the_token_of_a_picture(policy: VisionPolicy) -> None:
    rows = rows_of(sampled(policy))
    rows = replace(rows, tokens=torch.full_like(rows.tokens, policy.picture_token))
    with torch.no_grad():
        shared, plain = policy._packed_hidden(rows), policy.plain_hidden(rows)
    torch.testing.assert_close(shared, plain, rtol=1e-4, atol=1e-4)


def test_the_picture_matters(policy: VisionPolicy) -> None:
    """Another picture of the same size, another distribution; the same one, the same."""
    batch = sampled(policy, [asked(ONE, "where?")])
    rows, other = rows_of(batch), policy.encode_with_vision(asked(OTHER, "where?"))
    assert torch.equal(other[0], batch.prompts[0])
    with torch.no_grad():
        before, after = policy.logprobs(rows), policy.logprobs(replace(rows, vision=[other[1]]))
    assert (before - after).abs().max() > 1e-3  # sampling and training agree to 1e-5


def test_samples_do_not_depend_on_what_else_is_sampled(policy: VisionPolicy) -> None:
    together = sampled(policy).completions[0]
    alone = sampled(policy, PROMPTS[:1]).completions[0]
    assert [row.text for row in together] == [row.text for row in alone]


def test_parts_of_an_update_keep_their_pictures(policy: VisionPolicy) -> None:
    rows = rows_of(sampled(policy))
    with torch.no_grad():
        parts = [policy.logprobs(part) for part in rows.microbatches(100)]
        assert len(parts) > 1
        whole = policy.logprobs(rows)
    for part, logprobs in zip(torch.split(whole, [len(part) for part in parts]), parts, strict=True):
        torch.testing.assert_close(part[:, : logprobs.shape[1]], logprobs, rtol=0, atol=1e-5)


# -- training -------------------------------------------------------------------------------------------


def gradients(policy: VisionPolicy) -> dict[str, torch.Tensor]:
    policy.zero_grad()
    torch.manual_seed(0)
    policy.logprobs(rows_of(sampled(policy))).sum().backward()
    return {name: each.grad for name, each in policy.model.named_parameters() if each.grad is not None}


@pytest.mark.parametrize("checkpointed", [False, True])
def test_gradients_reach_the_tower_and_are_the_same_with_prompts_shared(folder: Path, checkpointed: bool) -> None:
    policy = VisionPolicy(str(folder), gradient_checkpointing=checkpointed)
    policy.build()
    shared = gradients(policy)
    assert all(each.abs().max() > 0 for name, each in shared.items() if "visual" in name and "qkv" in name)
    assert "model.visual.patch_embed.proj.weight" in shared
    rows = rows_of(sampled(policy))
    policy._shares_prompts = False
    policy.zero_grad()
    policy.logprobs(rows).sum().backward()
    for name, each in policy.model.named_parameters():
        if each.grad is not None:
            torch.testing.assert_close(each.grad, shared[name], rtol=1e-3, atol=1e-3)


def test_a_frozen_tower_gets_none(folder: Path) -> None:
    policy = VisionPolicy(str(folder), freeze_vision=True)
    policy.build()
    found = gradients(policy)
    assert found
    assert not any("visual" in name for name in found)


def test_an_adapter_leaves_a_frozen_tower_alone(folder: Path) -> None:
    pytest.importorskip("peft")
    policy = VisionPolicy(str(folder), adapter=LoRA(rank=2), freeze_vision=True)
    policy.build()
    trained = [name for name, each in policy.model.named_parameters() if each.requires_grad]
    assert trained
    assert all("lora" in name and "visual" not in name for name in trained)
    assert policy.shares_prompts


def test_a_run_trains_an_adapter_and_exports_it_merged(passk: CommandLine, folder: Path) -> None:
    pytest.importorskip("peft")
    adapter = {"class_path": "app.policy.LoRA", "init_args": {"rank": 2}}
    arguments = {"path": str(folder), "adapter": adapter, "freeze_vision": True}
    model = {"policy": {"class_path": "app.policy.VisionPolicy", "init_args": arguments}}
    stages = [stage("explore", "benchmarks.step.NeverZero", learning_rate=constant(1e-2))]
    cli = passk.fit(stages, *FIT, model=model)
    export = Path(cli.trainer.log_dir) / "stages/1-explore"
    before, after = weights(folder), weights(export)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert not any("visual" in name for name in moved)


FIT = ["--data.style=datamodules.maze.BarePicturePrompt", f"--data.style.pixels={PIXELS}"]


def test_a_visual_maze_is_trained_validated_exported_and_read_again(
    passk: CommandLine, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = ["--model.policy=app.policy.VisionPolicy", f"--model.policy.path={folder}", *FIT]
    with caplog.at_level(logging.INFO):
        cli = passk.fit(
            [stage("explore", "benchmarks.step.NeverZero", learning_rate=constant(1e-3))], *options, *PICTURES
        )
    assert "memory, estimated" in caplog.text
    assert "can't share" not in caplog.text
    export = Path(cli.trainer.log_dir) / "stages/1-explore"
    before, after = (AutoModelForImageTextToText.from_pretrained(each) for each in (folder, export))
    assert gap(folder, export) > 0
    tower = "model.visual.patch_embed.proj.weight"
    assert not torch.equal(before.get_parameter(tower), after.get_parameter(tower))

    problem, policy = cli.trainer.datamodule.splits["validation"][0], cli.model.policy
    tokens, vision = policy.encode_with_vision(problem.prompt)
    again = VisionPolicy(str(export))
    again.build()
    assert torch.equal(again.encode(problem.prompt), tokens)
    with torch.no_grad():
        assert torch.equal(
            again.model.eval()(tokens[None], **vision).logits, policy.model.eval()(tokens[None], **vision).logits
        )
    assert AutoImageProcessor.from_pretrained(export, backend="pil").patch_size == 4

    options[1] = f"--model.policy.path={export}"
    validated = passk("validate", *options)
    assert validated.trainer.callback_metrics["eval/length"] == cli.trainer.callback_metrics["eval/length"]


def test_a_cold_start_reads_pictures_too(passk: CommandLine, folder: Path) -> None:
    options = ["--model.policy=app.policy.VisionPolicy", f"--model.policy.path={folder}", *FIT]
    cli = passk.fit([demonstrated()], *options)
    assert gap(folder, Path(cli.trainer.log_dir) / "stages/1-cold-start") > 0


@pytest.mark.slow
def test_the_configuration_of_visual_mazes_runs(passk: CommandLine, folder: Path) -> None:
    """As it is but for its size, its policy and that a square is a token of that policy."""
    path = ROOT / "configs" / "visual_mazes.yaml"
    options = ["--model.policy=app.policy.VisionPolicy", f"--model.policy.path={folder}"]
    stages = {"stages": shrunk(stages_of(path))}
    cli = passk("fit", *options, f"--data.style.pixels={PIXELS}", base=path, schedule=stages)
    assert isinstance(cli.trainer.datamodule.splits["train"][0].style, InstructivePicturePrompt)
    assert cli.model.iteration == 4


@pytest.mark.slow
def test_the_configuration_of_a_laptop_runs(
    passk: CommandLine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the policy that docs/pictures.md has written for it."""
    make_vision_policy([str(tmp_path / "eyes")])
    assert "0.18 million parameters" in capsys.readouterr().out
    path = ROOT / "configs" / "visual_mazes_tiny.yaml"
    options = ["--model.policy=app.policy.VisionPolicy", f"--model.policy.path={tmp_path / 'eyes'}"]
    cli = passk("fit", *options, base=path, schedule={"stages": shrunk(stages_of(path))})
    assert cli.model.iteration == 6
    assert cli.model.policy.shares_prompts


def test_a_policy_without_eyes_is_told_at_the_start(passk: CommandLine, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        passk.fit([stage("explore")], *FIT)
    assert "TinyPolicy can't read the prompt's pictures: app.policy.VisionPolicy does" in capsys.readouterr().err


def test_an_update_that_is_not_finite_is_kept_with_its_pictures_and_played_again(
    policy: VisionPolicy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = sampled(policy)
    save_update(
        tmp_path, policy, rows_of(batch), batch.problems, {"iteration": 3, "update": 4, "loss": 1.0, "norm": 1.0}
    )
    with pytest.raises(SystemExit) as ended:
        main(["diagnose", str(tmp_path / "rows.0.pt")])
    assert ended.value.code == 0
    assert "all that is computed of these 9 rows is finite" in capsys.readouterr().out
