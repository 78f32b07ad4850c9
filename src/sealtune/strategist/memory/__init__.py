"""What earlier sessions were worth, and what that changes in the next plan (SEAL).

A session is a triple of context, self-edit (the config) and reward (log of the confirmed gain).
`recall` finds the contexts nearest to a task, `remembered` puts them to use in a config,
`memory_sentences` tells a model, `export_sft` writes the best self-edits for fine-tuning.
"""

from sealtune.strategist.memory.apply import remembered
from sealtune.strategist.memory.experience import (
    experience_of,
    failed_settings,
    reward_of,
    rival_experience,
)
from sealtune.strategist.memory.recall import Lesson, Memory, Recollection, recall
from sealtune.strategist.memory.sentences import memory_sentences, sentences_of
from sealtune.strategist.memory.sft import export_sft

__all__ = [
    "Lesson",
    "Memory",
    "Recollection",
    "experience_of",
    "export_sft",
    "failed_settings",
    "memory_sentences",
    "recall",
    "remembered",
    "reward_of",
    "rival_experience",
    "sentences_of",
]
