"""Makes minilm.npz and words.npy: ``python -m sealtune.strategist.embedding.build DIRECTORY``.

The directory holds model.safetensors and vocab.txt of sentence-transformers/all-MiniLM-L6-v2.
Every matrix becomes 8-bit with one scale a row; biases and layer norms keep 16 bits.
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sealtune.errors import InputError
from sealtune.strategist.embedding.encoder import WEIGHTS, WORDS
from sealtune.strategist.embedding.tokens import LENGTH

SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of the model.safetensors that the authors publish under Apache-2.0."""

LAYERS = 6
_DENSE = {
    "output": "attention.output.dense",
    "widen": "intermediate.dense",
    "narrow": "output.dense",
}
_NORMS = {"attended": "attention.output.LayerNorm", "fed": "output.LayerNorm"}

Tensor = npt.NDArray[np.float32]


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Return the float32 tensors of a safetensors file by name.

    The format: 8 bytes little-endian length of a JSON header, the header (name to dtype, shape,
    offsets), the bytes.

    Raises:
        InputError: The file is not the published one.
    """
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise InputError(f"{path} is not the published file; its sha256 should be {SHA256}")
    begin = 8 + int.from_bytes(data[:8], "little")
    header: dict[str, Any] = json.loads(data[8:begin])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            first, last = entry["data_offsets"]
            flat = np.frombuffer(data[begin + first : begin + last], np.float32)
            tensors[name] = flat.reshape(entry["shape"])
    return tensors


def quantise(matrix: Tensor) -> tuple[npt.NDArray[np.int8], Tensor]:
    """Return `matrix` (rows, columns) as int8, and the scale of each row, shape (rows,).

    >>> whole, scale = quantise(np.array([[1.0, -0.5]], np.float32))
    >>> whole.tolist(), round(float(scale[0]) * 127, 3)
    ([[127, -64]], 1.0)
    """
    scale = np.maximum(np.abs(matrix).max(axis=1), 1e-12) / 127
    return np.rint(matrix / scale[:, None]).astype(np.int8), scale.astype(np.float32)


def build(directory: Path, weights: Path = WEIGHTS, words: Path = WORDS) -> None:
    """Write the quantised encoder made of the files in `directory` to `weights` and `words`.

    Raises:
        InputError: The weights are not the published ones.
    """
    tensors = read_safetensors(directory / "model.safetensors")
    vocabulary = (directory / "vocab.txt").read_bytes()
    arrays: dict[str, npt.NDArray[Any]] = {"vocabulary": np.frombuffer(vocabulary, np.uint8)}
    for name, matrix in _matrices(tensors):
        arrays[name], arrays[f"{name}.scale"] = quantise(matrix)
    for name, vector in _vectors(tensors):
        arrays[name] = vector.astype(np.float16)
    np.save(words, arrays.pop("words"))
    np.savez(weights, **arrays)  # type: ignore[arg-type] # numpy's stub counts allow_pickle in


def _matrices(tensors: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    yield "words", tensors["embeddings.word_embeddings.weight"]
    # One text is one segment: the first row of the segment table belongs to every position.
    segment = tensors["embeddings.token_type_embeddings.weight"][0]
    yield "positions", tensors["embeddings.position_embeddings.weight"][:LENGTH] + segment
    for layer in range(LAYERS):
        yield f"{layer}.attend", np.concatenate(_attention(tensors, layer, "weight"))
        for name, source in _DENSE.items():
            yield f"{layer}.{name}", tensors[f"encoder.layer.{layer}.{source}.weight"]


def _vectors(tensors: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    norms = {"embedded": "embeddings.LayerNorm"}
    for layer in range(LAYERS):
        yield f"{layer}.attend.bias", np.concatenate(_attention(tensors, layer, "bias"))
        for name, source in _DENSE.items():
            yield f"{layer}.{name}.bias", tensors[f"encoder.layer.{layer}.{source}.bias"]
        norms |= {f"{layer}.{n}": f"encoder.layer.{layer}.{s}" for n, s in _NORMS.items()}
    for name, source in norms.items():
        yield f"{name}.gain", tensors[f"{source}.weight"]
        yield f"{name}.bias", tensors[f"{source}.bias"]


def _attention(tensors: dict[str, Tensor], layer: int, part: str) -> list[Tensor]:
    where = f"encoder.layer.{layer}.attention.self"
    return [tensors[f"{where}.{name}.{part}"] for name in ("query", "key", "value")]


if __name__ == "__main__":
    build(Path(sys.argv[1]))
