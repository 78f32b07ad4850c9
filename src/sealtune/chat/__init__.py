"""The conversation: an agent over the tools, its approvals and its terminal.

Importing this package loads pydantic-ai and prompt-toolkit: import it when a conversation begins.
"""
