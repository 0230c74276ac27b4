"""Keep state: the database and the records that make repeated requests safe."""
