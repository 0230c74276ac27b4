"""Hold what one service may know of another: data and generated stubs, no behaviour."""
