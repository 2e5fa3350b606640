"""Learning: real PEFT training on real text; the only folder that imports torch."""
