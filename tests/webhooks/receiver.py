# Takes webhooks: receiver.py FOLDER [CERTIFICATE KEY]. Writes its port to FOLDER/port, and of each
# request a line {"path", "headers", "body"} to FOLDER/requests. The path says what it answers.
import http.server, json, os, ssl, sys, threading, time

folder = sys.argv[1]
lock = threading.Lock()


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with lock, open(f"{folder}/requests", "a") as out:
            headers = {name.lower(): value for name, value in self.headers.items()}
            out.write(json.dumps({"path": self.path, "headers": headers, "body": body.decode()}) + "\n")
            out.flush()
        if self.path == "/slow":
            time.sleep(30)
        status = {"/broken": 500, "/moved": 302}.get(self.path, 200)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/moved-here")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True)
with open(f"{folder}/port.new", "w") as out:
    out.write(str(server.server_address[1]))
os.rename(f"{folder}/port.new", f"{folder}/port")
server.serve_forever()
