"""What a person sees and what a program reads: events, the result, terminal text and JSON."""
