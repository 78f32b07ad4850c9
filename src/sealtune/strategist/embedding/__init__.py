"""A small sentence encoder and what was learned on top of it: numpy, no model library, no network.

`encoder` turns sentences into vectors of meaning, `features` says what is looked at in a
description, `layer` weighs it into probabilities of the classes. `build` and `train` make the two
files that these read, and are run by hand.
"""
