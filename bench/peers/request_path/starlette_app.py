"""The same write in a plain web server: what one process on this machine can do at best."""

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from write_timestamp import write_timestamp


def post_app(request):
    """Not async: Starlette runs it in its pool of 40 threads, because boto3 blocks."""
    return PlainTextResponse(write_timestamp())


app = Starlette(routes=[Route("/app", post_app, methods=["POST"])])
