"""A GGUF file of the person's own: served on loopback, by a process that ends with the model."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic_ai import Agent

from sealtune.errors import ConfigError
from sealtune.strategist.model import providers
from sealtune.strategist.model.choice import choose_model
from sealtune.strategist.model.ground import ground_of
from sealtune.strategist.model.local import serve
from sealtune.strategist.model.proposal import devise
from sealtune.strategist.model.providers import build, release
from sealtune.strategist.model.recording import record
from sealtune.strategist.model.schema import config_schema, question_schema

xllamacpp = pytest.importorskip("xllamacpp", reason="the extra local-model is not installed")
gguf = pytest.importorskip("gguf", reason="writes the tiny model that these tests serve")

pytestmark = pytest.mark.usefixtures("requests_allowed")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Write a model of two small random layers that spells letter by letter."""
    import numpy as np

    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    width, inner = 64, 128
    letters = ["\u2581", *map(chr, range(33, 127))]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *letters]
    kind = gguf.TokenType
    kinds = [kind.UNKNOWN, kind.CONTROL, kind.CONTROL, *[kind.BYTE] * 256, *[kind.NORMAL] * 95]
    file = gguf.GGUFWriter(path, "llama")
    file.add_context_length(16_384)
    file.add_embedding_length(width)
    file.add_block_count(2)
    file.add_feed_forward_length(inner)
    file.add_head_count(4)
    file.add_head_count_kv(4)
    file.add_layer_norm_rms_eps(1e-5)
    file.add_rope_dimension_count(width // 4)
    file.add_tokenizer_model("llama")
    file.add_token_list([token.encode() for token in tokens])
    file.add_token_scores([-1000.0] * 3 + [-100.0] * 256 + [0.0] * 95)
    file.add_token_types(kinds)
    file.add_bos_token_id(1)
    file.add_eos_token_id(2)
    file.add_vocab_size(len(tokens))
    file.add_chat_template("{% for m in messages %}{{ m['content'] }}\n{% endfor %}")
    random = np.random.default_rng(0)

    def add(name, *shape, ones=False):
        values = np.ones(shape) if ones else random.standard_normal(shape) * 0.05
        file.add_tensor(name, values.astype(np.float32))

    add("token_embd.weight", len(tokens), width)
    add("output_norm.weight", width, ones=True)
    add("output.weight", len(tokens), width)
    for block in ("blk.0", "blk.1"):
        for norm in ("attn_norm", "ffn_norm"):
            add(f"{block}.{norm}.weight", width, ones=True)
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"{block}.{part}.weight", width, width)
        for part in ("ffn_gate", "ffn_up"):
            add(f"{block}.{part}.weight", inner, width)
        add(f"{block}.ffn_down.weight", width, inner)
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()
    return path


def test_it_answers_and_ends_with_the_model(tiny, tmp_path):
    """The server starts on loopback, answers, and is gone when nobody holds the model."""
    choice = choose_model(f"local:{tiny}", {}, tmp_path / "none")
    model = build(choice, {}, tmp_path / "none")
    told = Agent(model, model_settings={"max_tokens": 8}).run_sync("hello").output

    assert choice.stays_here
    assert model.model_name == "tiny.gguf"
    assert isinstance(told, str)
    assert model.served.alive
    release(record(model, tmp_path / "talk.jsonl"))  # however deep it is wrapped
    assert not model.served.alive


def test_it_ends_with_us(tiny):
    """Whoever is killed in the middle of a conversation leaves no server behind."""
    code = (
        "import os, sys; from pathlib import Path\n"
        "from sealtune.strategist.model.local import serve\n"
        "print(serve(Path(sys.argv[1])).process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, tiny], capture_output=True, text=True)
    pid = int(done.stdout)

    for _ in range(50):
        if not Path(f"/proc/{pid}").exists():
            break
        time.sleep(0.1)
    assert not Path(f"/proc/{pid}").exists()


def test_devise_lets_go_of_it(tiny, task, fallback, tmp_path, monkeypatch):
    """After an answer, good or bad, no model lies in the memory while the machine is measured."""
    served = []
    monkeypatch.setattr(providers, "serve", lambda path: served.append(serve(path)) or served[0])
    choice = choose_model(f"local:{tiny}", {}, tmp_path / "none")

    strategy = devise(task, choice, fallback=fallback, seconds=20)  # its prompt is too long for it

    assert strategy.notices[0].startswith("local:tiny.gguf ")
    assert not served[0].alive


def test_strangers_on_this_machine_are_not_answered(tiny):
    """Without the key that was made up for this session the server gives nothing."""
    import urllib.error
    import urllib.request

    served = serve(tiny)
    try:
        request = urllib.request.Request(f"{served.url}/chat/completions", b"{}")
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(request)
        assert served.key not in repr(served)
    finally:
        served.close()
    assert not served.alive


@pytest.mark.parametrize("content", [b"", b"GGUF", b"no model at all" * 100])
def test_a_file_that_is_no_model_is_said_and_leaves_nothing(content, tmp_path):
    """What llama.cpp cannot load is an error in words."""
    path = tmp_path / "broken.gguf"
    path.write_bytes(content)
    choice = choose_model(f"local:{path}", {}, tmp_path / "none")

    with pytest.raises(ConfigError, match=r"broken\.gguf cannot be loaded"):
        build(choice, {}, tmp_path / "none")


def test_the_schema_of_an_answer_is_a_grammar(task):
    """llama.cpp can write by it: every parameter of the machine is in it by name."""
    ground = ground_of(task)
    schema = {"anyOf": [config_schema(ground), question_schema()]}

    grammar = xllamacpp.json_schema_to_grammar(schema)

    for name in ground.offered:
        assert name in grammar
