"""The tools of a conversation: plain typed functions over `sealtune.entry`.

`Toolbox` has one method for each; its docstrings are what a language model reads. Tools in
`CHANGING` need a person's yes, and `Toolbox.preview` says exactly what a yes would do.
"""

from sealtune.toolbox.toolbox import CHANGING, READING, Toolbox

__all__ = ["CHANGING", "READING", "Toolbox"]
