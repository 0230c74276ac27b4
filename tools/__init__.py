"""Hold the project's own scripts: nothing in the shop imports them."""
