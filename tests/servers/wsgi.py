"""The application that the servers serve here, and what is true of it.

    /quick      one call of helper()
    /slow       two calls of helper() with a switch to other requests between them
    /wrong      one call of helper(), then an error: the server answers 500
    /end        the server ends by itself
"""

from __future__ import annotations

#: What answers requests; needs `sleep`.
HANDLERS = """
def helper(): pass

def quick():
    helper()
    return b"quick"

def slow():
    helper()
    sleep(0.001)
    helper()
    return b"slow"

def wrong():
    helper()
    raise RuntimeError("wrong")
"""

APPLICATION = (
    HANDLERS
    + """
def end():
    end_soon()
    return b"end"

HANDLERS = {"/quick": quick, "/slow": slow, "/wrong": wrong, "/end": end}

def application(environ, start_response):
    answer = HANDLERS[environ["PATH_INFO"]]()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [answer]
"""
)

#: Calls of helper() by a request, and the status of its answer.
HELPER_CALLS = {"quick": 1, "slow": 2, "wrong": 1}
STATUS = {"quick": 200, "slow": 200, "wrong": 500}

#: Each prints its port and serves until it is asked to end.
GEVENT = (
    "from gevent import monkey; monkey.patch_all()\n"
    "import gevent\nfrom gevent import sleep\nfrom gevent.pywsgi import WSGIServer\n"
    + APPLICATION
    + """
server = WSGIServer(("127.0.0.1", 0), application, log=None, error_log=None)
server.start()
def end_soon(): gevent.spawn(server.stop)
print(server.server_port, flush=True)
server.serve_forever()
"""
)

EVENTLET = (
    "import eventlet; eventlet.monkey_patch()\n"
    "from eventlet import sleep, wsgi\n"
    + APPLICATION
    + """
listener = eventlet.listen(("127.0.0.1", 0))
serving = eventlet.spawn(wsgi.server, listener, application, log_output=False)
ending = eventlet.event.Event()
def end_soon(): ending.send()
print(listener.getsockname()[1], flush=True)
ending.wait()
serving.kill()
"""
)

#: To be served by gunicorn, as flask_application:app.
FLASK = (
    "from flask import Flask\nfrom gevent import sleep\n"
    + HANDLERS
    + """
app = Flask(__name__)
app.logger.disabled = True
for each in (quick, slow, wrong):
    app.add_url_rule(f"/{each.__name__}", view_func=each)
"""
)
