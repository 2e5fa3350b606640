"""Closed-form laws: what is known of a random model, beside its samples."""
