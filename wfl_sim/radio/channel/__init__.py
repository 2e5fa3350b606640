"""The channel of a link: propagation, fading on a time grid, rates, and what is known of it."""
