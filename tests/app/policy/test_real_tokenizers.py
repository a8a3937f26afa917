"""Real tokenizers with small random weights of their architectures; `.ci/tokenizers` fetches them and runs this."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias
from unicodedata import normalize

import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from app.engines.demonstrations import DemonstrationEngine
from app.engines.transformers import TransformersEngine
from app.policy import PretrainedPolicy
from app.policy.tokenizer_files import load_tokenizer
from app.types import Prompt, Request, Sampling
from datamodules.base.chat import Chat
from datamodules.sources import read_prompt
from tests.app.checkpoints import R1
from tests.conftest import CommandLine, EchoProblem, constant, stage

FOLDER = os.environ.get("PASSK_TOKENIZERS")
pytestmark = pytest.mark.skipif(
    not FOLDER, reason="PASSK_TOKENIZERS names no folder of real tokenizers: .ci/tokenizers fetches them"
)

SHAPE = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "intermediate_size": 16,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": True,
}
LATENT = {"n_routed_experts": 2, "num_experts_per_tok": 1, "n_group": 1, "topk_group": 1, "moe_intermediate_size": 16}
LATENT |= {"q_lora_rank": 8, "kv_lora_rank": 8, "qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 8}
LATENT |= {"num_key_value_heads": 2, "first_k_dense_replace": 1, "head_dim": 4}


@dataclass(frozen=True)
class Real:
    """A model whose tokenizer is had.

    Attributes:
        model_type: transformers' name of the architecture.
        vocabulary: of the model, which has more than the tokenizer in places.
        ends: the model's ends of sequence, by its published generation config.
        begin: the token that begins every text.
        turn: what stands before an answer.
    """

    model_type: str
    vocabulary: int
    ends: list[int]
    begin: int | None
    turn: str
    shape: dict[str, Any] = field(default_factory=dict)


HEADER = "<|start_header_id|>assistant<|end_header_id|>\n\n"
REAL = {
    "qwen2_5": Real("qwen2", 152064, [151645, 151643], None, "<|im_start|>assistant\n"),
    "qwen3": Real("qwen3", 151936, [151645, 151643], None, "<|im_start|>assistant\n"),
    "llama3_1": Real("llama", 128256, [128001, 128008, 128009], 128000, HEADER),
    "llama3_2": Real("llama", 128256, [128001, 128008, 128009], 128000, HEADER),
    "deepseek_v3": Real("deepseek_v3", 129280, [1], 0, "<｜Assistant｜>", LATENT),
    "gemma3": Real("gemma3_text", 262208, [1, 106], 2, "<start_of_turn>model\n"),
}
CHATS: list[Prompt] = [
    ({"role": "user", "content": "What is 12 + 7?"},),
    ({"role": "system", "content": "Be brief."}, {"role": "user", "content": " 数学 😀\n\n"}),
    (
        {"role": "user", "content": "1 + 1?"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "\\frac{1}{2} , don 't   stop"},
    ),
]
TEXTS = [
    *("a b", "two\nlines\n", "  ", " lead and trail ", "\t\r\n"),
    *("é ∑ 数学题 👩‍🚀🇩🇪", "don 't , do n't .", "\\boxed{12345}"),
]
HELD = {"<｜place▁holder▁no▁798｜>": "<think>", "<｜place▁holder▁no▁799｜>": "</think>"}
"""Tokens of DeepSeek-V3 and what they are in R1."""


def write(name: str, folder: Path) -> Path:
    """A folder as the hub has it: the real tokenizer, and random weights of the real vocabulary."""
    real = REAL[name]
    for file in ("tokenizer.json", "tokenizer_config.json"):
        folder.mkdir(exist_ok=True)
        shutil.copy(Path(str(FOLDER)) / name / file, folder / file)
    shape = {**SHAPE, **real.shape, "vocab_size": real.vocabulary}
    config = AutoConfig.for_model(real.model_type, **shape, pad_token_id=0, bos_token_id=real.begin, eos_token_id=None)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    model.generation_config.eos_token_id = real.ends
    model.save_pretrained(folder)
    return folder


PolicyOf: TypeAlias = Callable[[str], PretrainedPolicy]


@pytest.fixture(scope="module", params=REAL)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def policy_of(tmp_path_factory: pytest.TempPathFactory) -> PolicyOf:
    """One policy for all tests of a tokenizer, since reading one takes seconds."""
    folder = tmp_path_factory.mktemp("real")
    return cache(lambda name: built(write(name, folder / name)))


@pytest.fixture
def policy(name: str, policy_of: PolicyOf) -> PretrainedPolicy:
    return policy_of(name)


@pytest.fixture(scope="module")
def plain(name: str, policy_of: PolicyOf) -> Any:
    """The tokenizer as transformers reads it without us."""
    return AutoTokenizer.from_pretrained(policy_of(name).path)


def built(folder: Path, **arguments: Any) -> PretrainedPolicy:
    policy = PretrainedPolicy(str(folder), dtype="float32", **arguments)
    policy.build()
    return policy


def spelt(policy: PretrainedPolicy, prompt: Prompt) -> str:
    return policy.tokenizer.decode(policy.encode(prompt), clean_up_tokenization_spaces=False)


# -- prompts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chat", CHATS, ids=["question", "system", "turns"])
def test_a_chat_is_what_its_own_template_makes_of_it(
    name: str, policy: PretrainedPolicy, plain: Any, chat: Prompt
) -> None:
    day = {"date_string": "26 Jul 2024"} if name == "llama3_2" else {}
    expected = plain.apply_chat_template([*chat], add_generation_prompt=True, return_dict=False, **day)
    assert policy.encode(chat).tolist() == expected
    assert spelt(policy, chat).endswith(REAL[name].turn)


@pytest.mark.parametrize("prompt", ["2 + 2 = ", *CHATS], ids=["text", "question", "system", "turns"])
def test_it_begins_once(name: str, policy: PretrainedPolicy, prompt: Prompt) -> None:
    begin = REAL[name].begin
    assert policy.tokenizer.bos_token_id == begin
    tokens = policy.encode(prompt).tolist()
    assert tokens.count(begin) == (begin is not None)
    assert begin is None or tokens[0] == begin


def test_tool_calls_of_a_row_are_in_the_prompt(name: str, policy: PretrainedPolicy) -> None:
    if not name.startswith("qwen"):
        pytest.skip("the template of these packages takes no calls, or has an own form of them")
    call = {"type": "function", "function": {"name": "add", "arguments": {"a": 12, "b": 7}}}
    row = [
        {"role": "user", "content": "12 + 7?", "tool_calls": None},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "19", "tool_calls": None},
    ]
    assert '{"name": "add", "arguments": {"a": 12, "b": 7}}' in spelt(policy, read_prompt(row))


def test_a_text_that_was_rendered_before_begins_once(name: str, policy: PretrainedPolicy) -> None:
    chat = CHATS[0]
    rendered = spelt(policy, chat)
    assert policy.encode(rendered).tolist() == policy.encode(chat).tolist()


def test_plain_text_is_its_own_tokens(name: str, policy: PretrainedPolicy) -> None:
    begin = REAL[name].begin
    for text in TEXTS:
        own = policy.tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
        assert policy.encode(text).tolist() == [*([] if begin is None else [begin]), *own]


# -- answers ----------------------------------------------------------------------------------------------


def test_all_ends_of_sequence_stop(name: str, policy: PretrainedPolicy) -> None:
    assert policy.stop_ids(Sampling()) == sorted({*REAL[name].ends, policy.tokenizer.eos_token_id})
    assert {policy.tokenizer.eos_token_id} <= {*REAL[name].ends}


def test_text_survives(name: str, policy: PretrainedPolicy) -> None:
    for text in TEXTS:
        assert policy.decode([policy.spell(text)]) == [text]


@pytest.mark.parametrize("text", ["😀", "👩‍🚀", "数", "龘", "𝔸", "é"])
def test_an_answer_cut_inside_a_character_is_text_all_the_same(policy: PretrainedPolicy, text: str) -> None:
    """Tokens of bytes, cut anywhere and in the midst of a batch, spoil no character before or after them."""
    tokens = policy.spell(text)
    cuts = [[*policy.spell("ab "), *tokens[:size]] for size in range(len(tokens) + 1)]
    decoded = policy.decode(cuts)
    assert decoded[0] == "ab " and decoded[-1] == f"ab {text}"
    for cut in decoded:
        rest = cut.removeprefix("ab ")
        assert cut.startswith("ab ") and json.loads(json.dumps(cut)) == cut == cut.encode().decode()
        assert text.startswith(rest.rstrip("\ufffd"))
    (torn,) = policy.decode([[*tokens[:-1], *policy.spell(" end.")]])
    assert torn.endswith(" end.")


def test_sampled_tokens_are_read_back(name: str, policy: PretrainedPolicy) -> None:
    """Of random weights, from the whole vocabulary, with what the model has and the tokenizer lacks."""
    engine = TransformersEngine()
    engine.sync(policy)
    requests = [Request(EchoProblem("x"), policy.encode(chat), f"{place}") for place, chat in enumerate(CHATS)]
    groups = engine.generate(requests, 8, Sampling(max_new_tokens=24))
    rows = [row for group in groups for row in group]
    assert len({row.text for row in rows}) == len(rows)
    for row in rows:
        assert row.text == policy.decode([row.tokens[: len(row.tokens) - (row.finish == "stop")].tolist()])[0]
        (again,) = policy.decode([policy.spell(row.text)])
        assert normalize("NFC", again) == normalize("NFC", row.text)


def test_tokens_beyond_the_tokenizer_say_nothing(name: str, policy: PretrainedPolicy) -> None:
    size = max(policy.tokenizer.get_vocab().values()) + 1
    beyond = [*range(size, REAL[name].vocabulary)][:3]
    assert policy.decode([[*policy.spell("ab"), *beyond, *policy.spell("cd")]]) == ["abcd"]


def test_a_turn_may_be_named_as_a_stop(name: str, policy: PretrainedPolicy) -> None:
    """Where the tokenizer takes it for text, as DeepSeek's does, it would stand in the answer."""
    token = REAL[name].turn.split("assistant")[0].split("model")[0].split(">")[0] + ">"
    (first, *_) = policy.spell(REAL[name].turn)
    assert policy.tokenizer.convert_ids_to_tokens(first) == token
    assert first in policy.stop_ids(Sampling(stop_tokens=[token]))


def test_a_demonstration_ends_as_an_answer_does(policy: PretrainedPolicy) -> None:
    engine = DemonstrationEngine()
    engine.sync(policy)
    row = engine.completion("数学 \\boxed{4}", Sampling(max_new_tokens=64))
    assert row.finish == "stop"
    assert int(row.tokens[-1]) in policy.stop_ids(Sampling())
    assert policy.decode([row.tokens[:-1].tolist()]) == ["数学 \\boxed{4}"]


# -- single models ------------------------------------------------------------------------------------------


def change(file: Path, **values: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.mark.parametrize(
    ("name", "model_type"), [("llama3_1", "llama"), ("qwen2_5", "qwen2"), ("deepseek_v3", "llama")]
)
def test_a_folder_that_names_another_class_is_read_by_its_file(name: str, model_type: str, tmp_path: Path) -> None:
    """As R1-Distill's do, which hold LLaMA's and Qwen's tokenizers and name a class of LLaMA 2."""
    folder = write(name, tmp_path / "r1")
    change(folder / "tokenizer_config.json", tokenizer_class="LlamaTokenizerFast", add_bos_token=True)
    change(folder / "config.json", model_type=model_type)
    tokenizer: Any = load_tokenizer(str(folder))
    file = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text in TEXTS:
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == file.encode(text, add_special_tokens=False).ids
        assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text
    assert tokenizer("hi")["input_ids"][0] == (tokenizer.bos_token_id if REAL[name].begin is not None else 6023)


def test_llama_has_its_headers_as_single_tokens(policy_of: PolicyOf) -> None:
    tokens = policy_of("llama3_1").encode(({"role": "user", "content": "hi"},)).tolist()
    assert tokens == [128000, 128006, 882, 128007, 271, 6151, 128009, 128006, 78191, 128007, 271]


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("llama3_2", {}, "Today Date: 26 Jul 2024\n"),
        ("llama3_2", {"date_string": "01 Jan 2026"}, "Today Date: 01 Jan 2026\n"),
        ("qwen3", {"enable_thinking": True}, "<|im_start|>assistant\n"),
        ("qwen3", {"enable_thinking": False}, "<|im_start|>assistant\n<think>\n\n</think>\n\n"),
    ],
    indirect=["name"],
)
def test_a_template_is_given_its_arguments(
    policy: PretrainedPolicy, given: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "chat_template_kwargs", given)
    policy.check_template_kwargs()
    text = spelt(policy, CHATS[0])
    assert said in text if "Date" in said else text.endswith(said)


def test_an_argument_of_another_model_is_refused(policy_of: PolicyOf) -> None:
    with pytest.raises(ValueError, match="chat_template_kwargs: 'enable_thinking' has no effect"):
        built(Path(policy_of("qwen2_5").path), chat_template_kwargs={"enable_thinking": False})


def test_the_opened_thought_of_r1_stands_in_the_prompt(tmp_path: Path) -> None:
    """R1 is V3 with a template that opens the thought; the answer closes it, which the scorer sees."""
    pytest.importorskip("math_verify")
    from datamodules.math import MathScorer

    folder = write("deepseek_v3", tmp_path / "r1")
    change(folder / "tokenizer_config.json", chat_template=R1)
    added = json.loads((folder / "tokenizer.json").read_text())["added_tokens"]
    for token in added:
        if token["content"] in HELD:
            token |= {"content": HELD[token["content"]], "special": False}
    change(folder / "tokenizer.json", added_tokens=added)
    policy = built(folder)
    thought, end = policy.tokenizer.convert_tokens_to_ids(["<think>", "</think>"])
    tokens = policy.encode(CHATS[0]).tolist()
    assert spelt(policy, CHATS[0]) == "<｜begin▁of▁sentence｜><｜User｜>What is 12 + 7?<｜Assistant｜><think>\n"
    assert (tokens.count(0), tokens.count(thought)) == (1, 1)
    answer = policy.spell("Is it \\boxed{18}?\n</think>\n\n\\boxed{19}")
    assert answer.count(end) == 1
    (text,) = policy.decode([answer])
    assert "</think>" in text
    assert MathScorer().score(text, "19") == 1


def test_thinking_and_a_system_prompt_are_set_in_yaml(passk: CommandLine, policy_of: PolicyOf, tmp_path: Path) -> None:
    """Through the real command line: two iterations of a mathematics task with Qwen3's tokenizer."""
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"q": f"{n} + 1", "answer": str(n + 1)}) + "\n" for n in range(8)))
    held = tmp_path / "held.jsonl"
    held.write_text('{"q": "70 + 1", "answer": "71"}\n')
    policy = {
        "class_path": "app.policy.PretrainedPolicy",
        "init_args": {"path": policy_of("qwen3").path, "dtype": "float32"},
    }
    policy["init_args"]["chat_template_kwargs"] = {"enable_thinking": False}  # type: ignore[index]
    data = {
        "class_path": "datamodules.task.TaskDataModule",
        "init_args": {"train": str(rows), "validation": str(held), "scorer": "datamodules.scorers.Exact"},
    }
    data["init_args"] |= {"template": "What is {q}?", "batch_size": 2}  # type: ignore[operator]
    cli = passk.fit(
        [stage("explore", "benchmarks.step.NeverZero", learning_rate=constant(1e-3))],
        model={"policy": policy},
        data=data,
        chat={"system_prompt": "Be brief.", "wrap_text": True},
        cached=False,
    )
    problem = cli.datamodule.splits["train"][0]
    assert spelt(cli.model.policy, problem.prompt) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhat is 0 + 1?<|im_end|>\n"
        "<|im_start|>assistant\n<think>\n\n</think>\n\n"
    )
    export = Path(cli.trainer.log_dir) / "stages/1-explore"
    again = PretrainedPolicy(str(export), chat_template_kwargs={"enable_thinking": False})
    again.build()
    assert again.encode(problem.prompt).tolist() == cli.model.policy.encode(problem.prompt).tolist()


def test_examples_of_two_turns_in_a_row_are_refused_by_gemma(policy_of: PolicyOf) -> None:
    policy = policy_of("gemma3")
    chat = Chat("Be brief.", [{"role": "user", "content": "1 + 1?"}, {"role": "assistant", "content": "2"}])
    assert spelt(policy, chat.ask(CHATS[0])).startswith("<bos><start_of_turn>user\nBe brief.\n\n1 + 1?<end_of_turn>\n")
    with pytest.raises(ValueError, match="chat template refuses the prompt: Conversation roles must alternate"):
        policy.encode(Chat(few_shot=[{"role": "user", "content": "1 + 1?"}]).ask(CHATS[0]))


def test_a_folder_survives_its_export(name: str, policy: PretrainedPolicy, tmp_path: Path) -> None:
    policy.save(tmp_path)
    again = PretrainedPolicy(str(tmp_path), dtype="float32")
    again.build()
    assert [again.encode(chat).tolist() for chat in CHATS] == [policy.encode(chat).tolist() for chat in CHATS]
    assert [again.encode(text).tolist() for text in TEXTS] == [policy.encode(text).tolist() for text in TEXTS]
    assert again.stop_ids(Sampling()) == policy.stop_ids(Sampling())
