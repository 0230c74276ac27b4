"""Read the command line and open the shop: ``python -m launcher``."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

from chassis.config import EXIT_CONFIG, ConfigError, environment, words
from contracts.topology import PORT_OFFSETS
from launcher.config import LauncherConfig
from launcher.console import Console
from launcher.credentials import make_client_secrets
from launcher.errors import LauncherError
from launcher.loop import Loop
from launcher.plan import GATEWAY, Plan, make_plan
from launcher.premises import claim_data, open_listeners, prepare_folder
from launcher.spawn import end_with_parent
from launcher.supervisor import Supervisor
from launcher.warm import warm_up

DESCRIPTION: Final = """\
Run the shop: the gateway and every service that no <SERVICE>_URL puts elsewhere.
Settings come from the environment and from the file shop.env in the working folder.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the shop until it is told to stop, and return the exit status."""
    options = _parser().parse_args(arguments)
    # The services read these from the environment as well: neighbours are found from PORT.
    os.environ.update({k: v for k, v in (("PORT", options.port), ("HOST", options.host)) if v})
    # Nobody else could do it between an upgrade of the code and this start, in production as well.
    os.environ.setdefault("SHOP_MIGRATE", "auto")
    if options.with_parent:
        end_with_parent(os.getppid(), signal.SIGTERM)
    try:
        return open_shop(options.only)
    except LauncherError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except ConfigError as error:
        sys.stderr.write(f"The configuration can't be used:\n{error}\n")
        return EXIT_CONFIG


def open_shop(only: Sequence[str]) -> int:
    """Prepare the premises, then run the services that the environment puts here.

    Raises:
        LauncherError: when a folder or a port can't be used.
        ConfigError: when a setting of the launcher can't be used.
    """
    environ = environment()
    config = LauncherConfig.from_environ(environ)
    plan = make_plan(config, environ, only=only)
    prepare_folder(config.data_dir)
    # Held by this process, which lets go of it however it ends.
    claims = claim_data(config.data_dir, [service.name for service in plan.services])
    make_client_secrets(config.secrets_dir, PORT_OFFSETS)
    plan, listeners = open_listeners(plan)
    os.environ["PORT"] = str(plan.port)
    loop = Loop()
    console = Console(1, loop, environ)
    console.align([service.name for service in plan.services])
    supervisor = Supervisor(plan, listeners, loop, console)
    with claims:
        return supervisor.run(lambda: warm_up(_forked(plan), lambda: loop.turn(0)))


def _forked(plan: Plan) -> list[str]:
    return [service.package for service in plan.services if service.name != GATEWAY]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m launcher",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", help="port of the gateway (PORT, 8000); 0 picks free ones")
    parser.add_argument("--host", help="address of the gateway (HOST, 127.0.0.1)")
    parser.add_argument(
        "--only",
        type=words,
        default=(),
        metavar="SERVICE,…",
        help="run exactly these services, whatever the environment says",
    )
    parser.add_argument(
        "--with-parent",
        action="store_true",
        help="stop when the process that started this one ends, as `make run` wants it",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
