"""Where base stations and devices stand, and the large-scale gains between them."""
