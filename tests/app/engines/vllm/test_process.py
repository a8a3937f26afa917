"""What a server of our own is told, and what is made of its last words; the real one is in test_faults.py."""

from __future__ import annotations

from app.engines.vllm.process import cause, check_port, environment, flags, free_port


def test_arguments_are_spelt_as_the_command_line_has_them() -> None:
    arguments = {"max_model_len": 64, "enforce_eager": True, "enable_chunked_prefill": False, "seed": None}
    assert list(flags({**arguments, "weight_transfer_config": {"backend": "file"}})) == [
        "--max-model-len=64",
        "--enforce-eager",
        "--no-enable-chunked-prefill",
        '--weight-transfer-config={"backend": "file"}',
    ]


def test_the_cause_is_the_last_error_that_tells_something() -> None:
    log = "(Core) ERROR x] ValueError: No memory.\n  at a\nRuntimeError: Engine core failed. See root cause above.\n\n"
    assert cause(log) == "ValueError: No memory."
    assert cause("pydantic.ValidationError: 1 validation error\n  Value error, too long [type=x]") == (
        "Value error, too long [type=x]"
    )
    assert cause("serve: error: unrecognized arguments: --x\n") == "serve: error: unrecognized arguments: --x"
    assert cause("") == "it said nothing"


def test_a_free_port_is_free() -> None:
    check_port(free_port())


def test_the_working_folder_does_not_come_first_among_its_modules() -> None:
    assert environment()["PYTHONSAFEPATH"] == "1"
