"""Turn every failure into a problem document, in this one place.

Source: RFC 9457, Problem Details for HTTP APIs.  ``code`` repeats the type's last part and
``error`` the title, for clients that look for those members.
"""

import json
import logging
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from chassis import tracing
from chassis.errors import Forbidden, NotFound, ServiceError, Unauthenticated
from chassis.inbound import audit

MEDIA_TYPE = "application/problem+json"

# Types of problem that Flask and Werkzeug find on their own; other statuses are named after
# their reason phrase.
_CODES = {
    400: ("malformed", "Malformed request"),
    404: ("not_found", "Not found"),
    405: ("method_not_allowed", "Method not allowed"),
    413: ("content_too_large", "Content too large"),
    415: ("unsupported_media_type", "Unsupported Media Type"),
    416: ("range_not_satisfiable", "Range not satisfiable"),
}

logger = logging.getLogger(__name__)


def problem_document(error: ServiceError, request_id: str | None) -> dict[str, Any]:
    """Return the members of the document for an error."""
    return {
        "type": f"/problems/{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "error": error.title,
        "request_id": request_id,
        **error.members,
    }


def problem_response(error: ServiceError) -> Response:
    """Return the answer for an error, with its headers."""
    trace = tracing.current()
    document = problem_document(error, trace.request_id if trace else None)
    response = Response(json.dumps(document), error.status, mimetype=MEDIA_TYPE)
    response.headers.update(error.headers)
    if isinstance(error, Unauthenticated):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def from_http_exception(exception: HTTPException) -> ServiceError:
    """Describe an error that the framework raised; keep its headers, such as ``Allow``."""
    status = exception.code or HTTPStatus.INTERNAL_SERVER_ERROR.value
    error = ServiceError()
    phrase = HTTPStatus(status).phrase
    code, title = _CODES.get(status, (phrase.lower().replace(" ", "_").replace("-", "_"), phrase))
    error.status, error.code, error.title = status, code, title
    error.detail = exception.description or f"{title}."
    if status == HTTPStatus.NOT_FOUND:
        error.detail = "Nothing is at this address."
    kept = {"Allow", "Retry-After", "WWW-Authenticate"}
    error.headers = {name: value for name, value in exception.get_headers() if name in kept}
    return error


def _on_http_exception(exception: HTTPException) -> Response | HTTPException:
    if exception.code is None or exception.code < HTTPStatus.BAD_REQUEST:
        return exception
    return problem_response(from_http_exception(exception))


def _on_service_error(error: ServiceError) -> Response:
    principal = g.get("principal")
    # Who may not see something is told that it is not there.
    if isinstance(error, Forbidden) or (principal and isinstance(error, NotFound)):
        user = principal.subject if principal else None
        # The route and not the path, which may name people.
        audit.record("access", "refused", user=user, code=error.code, route=str(request.url_rule))
    return problem_response(error)


def _on_unexpected(exception: Exception) -> Response:
    # The last resort: the caller learns nothing but the request id, the log has the rest.
    logger.error("unexpected failure", exc_info=exception)
    return problem_response(ServiceError("The failure was logged under this request id."))


def init_app(app: Flask) -> None:
    """Answer every failure of the application with a problem document."""
    app.register_error_handler(ServiceError, _on_service_error)
    app.register_error_handler(HTTPException, _on_http_exception)
    app.register_error_handler(Exception, _on_unexpected)
