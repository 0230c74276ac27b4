"""Name what the gateway refuses by itself; the rest comes from :mod:`chassis.errors`."""

from chassis.errors import Malformed, ServiceError


class UnknownHost(Malformed):
    """Refuse a request for a host that is not this shop."""

    code, title = "unknown_host", "Unknown host"


class MethodNotAllowed(ServiceError):
    """Refuse a method that a path does not have; ``Allow`` lists those that it has."""

    status, code, title = 405, "method_not_allowed", "Method not allowed"


class BodyTooSlow(ServiceError):
    """Give up on a body that did not arrive in time."""

    status, code, title = 408, "request_timeout", "Request timeout"


class URITooLong(ServiceError):
    """Refuse an address above the limit."""

    status, code, title = 414, "uri_too_long", "URI too long"


class HeadersTooLarge(ServiceError):
    """Refuse a header that is too long, or too many of them."""

    status, code, title = 431, "headers_too_large", "Request header fields too large"
