"""The strategist that is a language model: chosen, asked, checked, recorded.

`choice` says which model is active and why and is cheap to import; everything else loads
pydantic-ai and is imported only once a model has been chosen.
"""
