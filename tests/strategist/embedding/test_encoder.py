"""The vectors are those of the published weights, but for what 8 bits cost."""

import json
from pathlib import Path

import numpy as np
import pytest

from sealtune.errors import InputError
from sealtune.strategist.embedding import build
from sealtune.strategist.embedding.encoder import SIZE, embed

CAPTURED = json.loads(Path(__file__).with_name("vectors.json").read_text("utf-8"))["vectors"]


@pytest.mark.parametrize(("text", "expected"), CAPTURED)
def test_vectors_are_those_of_the_full_weights(text, expected):
    """The cosine with the vector of the float32 weights is at least 0.99."""
    vector = embed([text])[0]

    assert 0.99 < np.dot(vector, expected) / np.linalg.norm(expected)


def test_vectors_have_length_one_and_do_not_depend_on_their_company():
    """A text has the same unit vector alone and among others of other lengths."""
    texts = ["nginx", "a long description " * 20, "", "database with many short transactions"] * 10
    together = embed(texts)

    assert (40, SIZE) == together.shape
    assert np.allclose(1, np.linalg.norm(together, axis=1), atol=1e-5)
    assert np.allclose(together[3], embed([texts[3]])[0], atol=1e-4)


def test_the_same_meaning_is_nearer_than_another():
    """Two ways to say one thing are nearer than two things said alike."""
    cash, till, share = embed(
        [
            "the till stores each sale",
            "every purchase is saved by the cash desk",
            "a shared folder",
        ]
    )

    assert cash @ till > cash @ share + 0.2


def test_other_weights_are_refused(tmp_path):
    """A file that is not the published one is not turned into an encoder."""
    (tmp_path / "model.safetensors").write_bytes(b"\x02\x00\x00\x00\x00\x00\x00\x00{}")

    with pytest.raises(InputError, match="sha256"):
        build.build(tmp_path, tmp_path / "weights.npz", tmp_path / "words.npy")

    assert not (tmp_path / "weights.npz").exists()


def test_eight_bits_keep_a_matrix_within_half_a_step():
    """Quantised and widened again, no entry is off by more than half a step of its row."""
    matrix = np.random.default_rng(0).normal(size=(20, 30)).astype(np.float32)
    matrix[3] = 0
    whole, scale = build.quantise(matrix)

    assert np.all(np.abs(whole * scale[:, None] - matrix) <= 0.5001 * scale[:, None])
