"""Run the whole shop with one command, each service as a child process.

Pattern: Process supervisor.  The shared libraries are imported once and the services forked from
here, so that they share that memory; every child serves directly, without a gunicorn arbiter of its
own, because this process does an arbiter's work.  In containers nothing of this package runs.
"""
