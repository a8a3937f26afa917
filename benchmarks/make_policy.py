"""Write a small random policy for benchmarks: `python -m benchmarks.make_policy DIR [--seed 0]`.

A Qwen2 causal LM of about 4.4 million parameters (117 with `--width 768 --layers 12`), nearly all of them in
its blocks, with a tokenizer of one token per character, saved as a transformers folder. Its weights are
random, so every token has about the same probability, `<eos>` too: 1 in 99, so that about half of all responses
reach a limit of 64 tokens. With `--vocabulary 151936` the LM head has Qwen2.5's size; the added tokens have no text.
"""

import argparse
from pathlib import Path

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

SPECIAL_TOKENS = ("<pad>", "<eos>", "<unk>")
# New line and the 95 printable ASCII characters. Byte-level BPE writes space as "Ġ" and new line as "Ċ".
ALPHABET = "ĊĠ" + "".join(map(chr, range(0x21, 0x7F)))


def build_tokenizer() -> Qwen2Tokenizer:
    """Return a tokenizer that maps each printable ASCII character to one token, and back without loss.

    It is byte-level BPE without merges, not WordLevel: for a Qwen2 model AutoTokenizer of transformers 5 ignores the
    saved `tokenizer_class` and builds a Qwen2Tokenizer, whose pre-tokenizer would lose white space otherwise.
    """
    vocabulary = {token: index for index, token in enumerate((*SPECIAL_TOKENS, *ALPHABET))}
    pad, eos, unk = SPECIAL_TOKENS
    return Qwen2Tokenizer(vocab=vocabulary, merges=[], pad_token=pad, eos_token=eos, unk_token=unk, padding_side="left")


def build_model(tokenizer: Qwen2Tokenizer, seed: int, width: int, layers: int, vocabulary: int) -> Qwen2ForCausalLM:
    """Return a randomly initialised model for `tokenizer`, with a head dimension of 64."""
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=max(len(tokenizer), vocabulary),
        hidden_size=width,
        intermediate_size=width * 9 // 2,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        num_key_value_heads=width // 128,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        pad_token_id=SPECIAL_TOKENS.index("<pad>"),
        eos_token_id=SPECIAL_TOKENS.index("<eos>"),
        bos_token_id=None,
    )
    return Qwen2ForCausalLM(config)


def make_policy(folder: Path, seed: int = 0, width: int = 256, layers: int = 4, vocabulary: int = 0) -> int:
    """Write model and tokenizer to `folder` and return the number of parameters."""
    tokenizer = build_tokenizer()
    model = build_model(tokenizer, seed, width, layers, vocabulary)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model.num_parameters()


def main(args: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.make_policy", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=256, help="a multiple of 128")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--vocabulary", type=int, default=0, help="tokens, where more than the characters")
    options = parser.parse_args(args)
    parameters = make_policy(options.folder, options.seed, options.width, options.layers, options.vocabulary)
    print(f"{options.folder}: {parameters / 1e6:.2f} million parameters")


if __name__ == "__main__":
    main()
