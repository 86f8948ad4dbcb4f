"""The same write under `chalice local`."""

from chalice import Chalice, Response
from write_timestamp import write_timestamp

app = Chalice(app_name="timestamps")


@app.route("/app", methods=["POST"])
def post_app():
    return Response(body=write_timestamp(), headers={"Content-Type": "text/plain"})
