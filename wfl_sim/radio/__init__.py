"""Radio: the channel of a cell, who gets which resource blocks, and the rates that follow."""
