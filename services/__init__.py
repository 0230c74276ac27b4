"""Hold the services, each a package that stands alone and could move to a repository of its own."""
