"""Causal language models: prompts, attention masks, generation, log-probabilities, evaluation."""
