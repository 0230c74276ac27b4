"""Set up logging from a configuration file, with request and trace ids in every line.

The bundled ``logging.json`` writes text to standard error and JSON lines to a rotating file.
``LOG_CONFIG`` names another file in the format of :func:`logging.config.dictConfig`, in which
``${level}``, ``${service}``, ``${console}`` and ``${file}`` are replaced.
"""

import json
import logging
import logging.config
from pathlib import Path
from string import Template

from chassis import tracing
from chassis.config import ConfigError, ServiceConfig

BUNDLED = Path(__file__).with_name("logging.json")


class ContextFilter(logging.Filter):
    """Add ``service``, ``request_id`` and ``trace_id`` to each record."""

    def __init__(self, service: str) -> None:
        """Name the service that logs."""
        super().__init__()
        self.service = service

    def filter(self, record: logging.LogRecord) -> bool:
        """Complete the record and let it pass."""
        trace = tracing.current()
        record.service = self.service
        record.request_id = trace.request_id if trace else None
        record.trace_id = trace.trace_id if trace else None
        return True


def configure(config: ServiceConfig) -> None:
    """Apply the logging configuration file to this process.

    Raises:
        ConfigError: when the file can't be read or used.
    """
    path = Path(config.log_config) if config.log_config else BUNDLED
    folder = config.data_dir / "log"
    values = {
        "level": config.log_level,
        "service": config.service,
        "console": "json" if config.production else "text",
        "file": str(folder / f"{config.service}.jsonl"),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # The values stand inside JSON strings, so each is escaped as one.
        escaped = {name: json.dumps(value)[1:-1] for name, value in values.items()}
        document = json.loads(Template(path.read_text()).safe_substitute(escaped))
        logging.config.dictConfig(document)
    except (OSError, ValueError) as error:
        raise ConfigError(f"LOG_CONFIG: {path} can't be used: {error}") from error
