"""An HTTP and a TLS server that say what they took a client's bytes for."""
import http.server, re, socketserver, ssl, sys, threading

directory = sys.argv[1]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    # Whatever method an application could be for.
    def __getattr__(self, name):
        if re.fullmatch(r"do_[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
            return self.answer
        raise AttributeError(name)

    def address_string(self):
        return ""

    def log_message(self, *_):
        pass

    def answer(self):
        hosts = (getattr(self, "headers", None) or {}) and self.headers.get_all("Host", [])
        target = "" if self.path.startswith("/") else self.path
        body = ("SERVED:%s %s\n" % (hosts, target)).encode("latin-1", "replace")
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class HTTP(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_):
        pass


def context(name):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.maximum_version = ssl.TLSVersion.TLSv1_2
    made.load_cert_chain(directory + "/" + name + ".pem")
    return made


plain, evil = context("plain"), context("evil")


def choose(sock, name, _):
    if name is not None and name.lower().rstrip(".") == "evil.example":
        sock.context = evil


plain.sni_callback = choose


class TLS(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            self.request.settimeout(20)
            plain.wrap_socket(self.request, server_side=True)
        except OSError:
            pass


servers = [HTTP(directory + "/python.http", Handler), HTTP(directory + "/python.tls", TLS)]
for server in servers:
    threading.Thread(target=server.serve_forever, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
