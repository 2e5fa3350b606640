"""Causal language models: how they are asked, write, and are judged."""
