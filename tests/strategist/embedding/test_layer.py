"""The learned layer: trained on the examples that lie beside it, and on enough of them."""

from collections import Counter

import numpy as np
import pytest

from sealtune.catalogue.workloads import load_workloads
from sealtune.strategist.embedding.examples import NONE, digest, load_examples
from sealtune.strategist.embedding.layer import load_layer, probabilities
from sealtune.strategist.embedding.train import Material, cross_validate, fit, sharpen

NAMES = [workload.name for workload in load_workloads().classes]


def test_every_class_has_examples_enough_and_none_twice():
    """There are at least 100 examples of each class and of none, and each stands once."""
    examples = load_examples()
    counts = Counter(example.kind for example in examples)

    assert {*NAMES, NONE} == set(counts)
    assert min(counts.values()) >= 100
    assert len({example.text for example in examples}) == len(examples)


def test_the_stored_layer_belongs_to_the_examples():
    """Whoever changes an example trains again: the digest of the examples is in the layer."""
    assert digest() == load_layer().digest


@pytest.mark.parametrize("text", ["", "redis", "x" * 10_000, "what a lovely day", "数据库"])
def test_probabilities_add_up(text):
    """Whatever the text, the probabilities of all classes and of none add up to 1."""
    shares = probabilities(text)

    assert [*NAMES, NONE] == list(shares)
    assert pytest.approx(1, abs=1e-5) == sum(shares.values())
    assert all(0 <= share <= 1 for share in shares.values())


def synthetic(count=220):
    """Eleven clouds in the plane of meanings, two hands, terms that say nothing."""
    generator = np.random.default_rng(3)
    kinds = np.arange(count, dtype=np.uint8) % 11
    vectors = generator.normal(scale=0.03, size=(count, 768)).astype(np.float32)
    vectors[np.arange(count), kinds] += 1
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    hands = np.array(["left", "right"])[np.arange(count) // 11 % 2]
    return Material(vectors, np.zeros((count, 32), np.float32), kinds, hands)


def test_training_learns_what_can_be_learned_and_repeats_itself():
    """Separate clouds are told apart by a layer that saw only one hand; twice the same layer."""
    known = synthetic()
    shares = cross_validate(known)

    assert 0.99 < np.mean(shares.argmax(axis=1) == known.kinds)
    assert np.array_equal(fit(known).weights, fit(known).weights)


def test_sharpening_makes_shares_honest():
    """Shares that are too modest are sharpened, shares that boast are blunted."""
    generator = np.random.default_rng(0)
    kinds = (generator.random(4000) < 0.2).astype(np.uint8)  # four in five are of class 0
    modest = np.tile(np.float32([0.6, 0.4]), (4000, 1))
    boasting = np.tile(np.float32([0.85, 0.15]), (4000, 1))

    assert sharpen(modest, kinds) > 1.5
    assert sharpen(boasting, kinds) < 1
