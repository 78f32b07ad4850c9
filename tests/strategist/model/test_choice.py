"""Which model is active: said with a reason, and never chosen by a key alone."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

from sealtune.errors import ConfigError
from sealtune.strategist.model.choice import choose_model, find_key
from sealtune.strategist.model.providers import build
from sealtune.strategist.model.settings import read_settings


@pytest.fixture
def config(tmp_path):
    """Write a config file and return its path."""

    def write(text, mode=0o600):
        path = tmp_path / "config.toml"
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


def test_without_a_word_nothing_leaves_the_machine(tmp_path):
    """A key in the environment, of whatever provider, chooses no model."""
    keys = dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "SEALTUNE_API_KEY"), "secret")

    for environment in ({}, keys):
        choice = choose_model(None, environment, tmp_path / "none")
        assert choice.is_embedded
        assert choice.problem is None
        assert choice.stays_here
    assert "a key alone chooses none" in choice.source


def test_the_flag_goes_before_the_environment_and_that_before_the_file(config):
    """Order: --model, SEALTUNE_MODEL, config file; the source says which it was."""
    path = config('[model]\nname = "ollama:from-file"\n')
    environment = {"SEALTUNE_MODEL": "ollama:from-environment"}

    by_flag = choose_model("ollama:from-flag", environment, path)
    by_environment = choose_model(None, environment, path)
    by_file = choose_model(None, {}, path)

    assert (by_flag.name, by_flag.source) == ("ollama:from-flag", "--model")
    assert (by_environment.model, by_environment.source) == ("from-environment", "SEALTUNE_MODEL")
    assert (by_file.model, by_file.source) == ("from-file", "~/.config/sealtune/config.toml")
    assert choose_model("embedded", environment, path).is_embedded


@pytest.mark.parametrize(
    ("wanted", "name", "url"),
    [
        ("http://127.0.0.1:8000/v1#qwen3", "openai-compatible:qwen3", "http://127.0.0.1:8000/v1"),
        ("https://gpu.lan/v1#a/b:c", "openai-compatible:a/b:c", "https://gpu.lan/v1"),
        ("openai-compatible:qwen3", "openai-compatible:qwen3", "http://[::1]:9/v1"),
        ("ollama:llama3:8b", "ollama:llama3:8b", "http://[::1]:9/v1"),
    ],
)
def test_any_compatible_address_will_do(wanted, name, url, tmp_path):
    """An address carries its model after a #; SEALTUNE_BASE_URL serves where none is given."""
    choice = choose_model(wanted, {"SEALTUNE_BASE_URL": "http://[::1]:9/v1"}, tmp_path / "none")

    assert (choice.name, choice.base_url, choice.problem) == (name, url, None)
    assert choice.stays_here == ("gpu.lan" not in url)


@pytest.mark.parametrize("host", ["127.example.com", "localhost.example.com", "10.0.0.1", "[::2]"])
def test_only_loopback_is_here(host, tmp_path):
    """A name that looks like loopback is somebody else's machine."""
    assert not choose_model(f"http://{host}/v1#m", {}, tmp_path / "none").stays_here


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("gpt-5", "'gpt-5' is unknown; allowed: openai:MODEL"),
        ("openai:", "names no model"),
        ("openai:" + "x" * 200, "names no model"),
        ("ollama:a\x1b[2J", "names no model"),
        ("openai:gpt-5", "OPENAI_API_KEY is not set"),
        ("openai-compatible:m", "SEALTUNE_BASE_URL is not set"),
        ("http://127.0.0.1:8000/v1", "names no model; add it after a #"),
        ("http://bob:hunter2@host/v1#m", "put it into SEALTUNE_API_KEY"),
        ("http://host/v1?key=hunter2#m", "put it into SEALTUNE_API_KEY"),
        ("http://#m", "is no http address"),
        ("http://host:99999/v1#m", "is no URL"),
    ],
)
def test_what_is_wrong_with_a_choice_is_said_in_words(wanted, words, tmp_path):
    """A bad choice raises nothing while it is looked at, and ConfigError when it is used."""
    choice = choose_model(wanted, {}, tmp_path / "none")

    assert words in choice.problem
    assert "hunter2" not in repr(choice)
    with pytest.raises(ConfigError, match="model: "):
        build(choice, {}, tmp_path / "none")


@pytest.mark.parametrize(
    ("wanted", "extra", "module"),
    [
        ("anthropic:m", "anthropic", "anthropic"),
        ("mistral:m", "mistral", "mistralai"),
        ("local:/m.gguf", "local-model", "xllamacpp"),
    ],
)
def test_a_missing_extra_is_named_with_the_line_that_installs_it(wanted, extra, module, tmp_path):
    """A provider whose package is not installed says what to install."""
    if find_spec(module) is not None:
        pytest.skip(f"{module} is installed")
    choice = choose_model(wanted, {"ANTHROPIC_API_KEY": "k"}, tmp_path / "none")

    assert f"pip install 'sealtune[{extra}]'" in choice.problem


def test_a_local_file_is_named_without_its_folder(tmp_path):
    """What goes into records says nothing of a home directory."""
    path = tmp_path / "tiny.gguf"
    choice = choose_model(f"local:{path}", {}, tmp_path / "none")

    assert (choice.name, choice.path) == ("local:tiny.gguf", path)
    assert choice.stays_here


def test_a_key_in_a_file_that_others_can_read_is_refused(config):
    """A key needs mode 600; a file without one does not."""
    text = '[model]\nname = "openai:gpt-5"\n'
    shared = config(text + 'api_key = "hunter2"\n', 0o644)

    assert "chmod 600" in choose_model(None, {}, shared).problem
    assert "hunter2" not in choose_model(None, {}, shared).problem
    assert "chmod 600" in choose_model("openai:gpt-5", {}, shared).problem
    assert read_settings(config(text, 0o644)).name == "openai:gpt-5"


def test_the_files_key_goes_to_the_files_model_alone(config):
    """A key belongs to one service: choosing another by flag does not send it there."""
    path = config('[model]\nname = "openai:gpt-5"\napi_key = "hunter2"\n')
    settings = read_settings(path)
    own = choose_model(None, {}, path)

    assert own.problem is None
    assert find_key(own, {}, settings) == "hunter2"
    for other in ("http://127.0.0.1:8000/v1#m", "mistral:m", "ollama:m"):
        assert find_key(choose_model(other, {}, path), {}, settings) is None
    moved = choose_model(None, {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}, path)
    assert find_key(moved, {}, settings) is None
    assert "hunter2" not in repr((settings, own))


def test_a_key_for_openai_goes_to_no_other_address(tmp_path):
    """OPENAI_API_KEY is not sent to a compatible server; SEALTUNE_API_KEY is."""
    environment = {"OPENAI_API_KEY": "for-openai", "SEALTUNE_API_KEY": "for-mine"}
    choice = choose_model("http://127.0.0.1:8000/v1#m", environment, tmp_path / "none")

    assert find_key(choice, environment) == "for-mine"
    assert find_key(choice, {"OPENAI_API_KEY": "for-openai"}) is None


@pytest.mark.parametrize(
    "text",
    [
        "[model",
        "model = 3",
        "[model]\nname = 3",
        "[model]\nmodle = 'x'",
        "[model]\nname = ' '",
        "[model]\nname = '\xff",
    ],
)
def test_a_broken_file_is_a_problem_and_no_crash(config, text):
    """Nothing is chosen from a file that cannot be understood, and what is wrong is said."""
    choice = choose_model(None, {}, config(text))

    assert choice.is_embedded
    assert "config.toml" in choice.problem


def test_looking_loads_no_framework():
    """`sealtune doctor` says which model is active without loading pydantic-ai."""
    code = (
        "import sys; from sealtune.strategist.model.choice import choose_model;"
        "choose_model('openai:gpt-5', {});"
        "print([m for m in ('pydantic', 'pydantic_ai', 'openai', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_the_files_address_is_for_the_files_model(config):
    """`ollama:` goes to this machine when the file's address is of another provider's model."""
    mine = config('[model]\nname = "openai-compatible:qwen3"\nbase_url = "https://gpu.lan/v1"\n')

    assert choose_model(None, {}, mine).base_url == "https://gpu.lan/v1"
    moved = choose_model("ollama:llama3", {}, mine)
    assert moved.base_url == "http://127.0.0.1:11434/v1"
    assert moved.stays_here
    unnamed = config('[model]\nbase_url = "https://gpu.lan/v1"\n')
    assert choose_model("openai-compatible:m", {}, unnamed).base_url == "https://gpu.lan/v1"
    other = config('[model]\nname = "ollama:x"\nbase_url = "https://gpu.lan/v1"\n')
    assert choose_model("ollama:llama3", {}, other).base_url == "https://gpu.lan/v1"


@pytest.mark.parametrize("address", ["http://[bad", "http://a b/v1", "http://a\tb/v1", "nonsense"])
@pytest.mark.parametrize("wanted", ["openai:gpt-5", "ollama:m", "openai-compatible:m"])
def test_an_address_that_is_none_is_a_problem_and_no_crash(wanted, address, tmp_path):
    """Whatever stands in the variables: it is said, and it leads nowhere."""
    environment = {"OPENAI_API_KEY": "k"}
    environment |= {"OPENAI_BASE_URL": address, "SEALTUNE_BASE_URL": address}
    choice = choose_model(wanted, environment, tmp_path / "none")

    assert "address" in choice.problem
    assert choice.base_url is None
    assert not choice.stays_here


def test_an_empty_address_is_none(tmp_path):
    """OPENAI_BASE_URL= is the same as no OPENAI_BASE_URL."""
    environment = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": ""}
    choice = choose_model("openai:gpt-5", environment, tmp_path / "none")

    assert (choice.base_url, choice.problem) == (None, None)


def test_a_file_of_nobody_is_no_file(tmp_path, monkeypatch):
    """An unknown ~user, and a folder that may not be searched, are words and no traceback."""
    pretend = "sealtune.strategist.model.choice._importable"
    monkeypatch.setattr(pretend, lambda module: True)

    def forbidden(self, **_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.stat", forbidden)
    for name in ("~nobody9/x.gguf", "/closed/x.gguf"):
        choice = choose_model(f"local:{name}", {"XDG_CONFIG_HOME": "/nowhere"})
        assert "is no file that can be read" in choice.problem
