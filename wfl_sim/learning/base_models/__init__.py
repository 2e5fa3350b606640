"""Base models: pretrained networks, where they come from, and how they are loaded."""
