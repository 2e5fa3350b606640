"""What a user writes: the typed scenario, its loading, checks and schema."""
