"""Alignment of language models: rewards, advantages, PPO, GRPO and DPO, and multi-objective RL."""
