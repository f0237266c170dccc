"""moto's server on a free port of the loopback: prints the port, and ends when its standard input does.

So it ends with the test that started it, however that ends. moto_server itself takes only a port that is
known to be free, and lives on when nobody stops it.
"""

import logging
import os
import sys
import threading

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

logging.getLogger("werkzeug").setLevel(logging.ERROR)
application = DomainDispatcherApplication(create_backend_app)
server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler)
# Some services build links to themselves from it.
os.environ["MOTO_PORT"] = str(server.server_port)
print(server.server_port, flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
os._exit(0)
