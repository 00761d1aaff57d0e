"""A token server for registries: anonymous gets pull, one user gets everything.

  token_server.py PORT KEY CERTIFICATE USER:PASSWORD

Distribution specification, "Token Authentication": GET with Basic, and POST as OAuth2 (password and refresh_token grants).
"""

import base64
import json
import re
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

PORT, KEY, CERTIFICATE, USER_AND_PASSWORD = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
USER = USER_AND_PASSWORD.split(":")[0]
ISSUER = "test-issuer"
LIFETIME_SECONDS = 300


def url_base64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(text):
    return subprocess.run(["openssl", "dgst", "-sha256", "-sign", KEY], input=text, stdout=subprocess.PIPE, check=True).stdout


def make_token(subject, service, scopes):
    access = []
    for scope in scopes:
        match = re.fullmatch(r"([a-z]+(?:\([a-z]+\))?):(.+):([a-z*,]+)", scope)
        if match:
            kind, name, actions = match.groups()
            granted = [action for action in actions.split(",") if subject or action == "pull"]
            access.append({"type": kind, "name": name, "actions": granted})
    with open(CERTIFICATE, encoding="ascii") as pem:
        certificate = "".join(line for line in pem.read().splitlines() if "---" not in line)
    now = int(time.time())
    header = {"typ": "JWT", "alg": "RS256", "x5c": [certificate]}
    claims = {"iss": ISSUER, "sub": subject, "aud": service, "nbf": now - 10, "iat": now, "exp": now + LIFETIME_SECONDS,
              "jti": str(time.time()), "access": access}
    text = url_base64(json.dumps(header).encode()) + "." + url_base64(json.dumps(claims).encode())
    return text + "." + url_base64(sign(text.encode()))


class Handler(BaseHTTPRequestHandler):
    def reply(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        query = parse_qs(urlparse(self.path).query)
        authorization = self.headers.get("Authorization", "")
        subject = ""
        if authorization:
            kind, _, text = authorization.partition(" ")
            if kind != "Basic" or base64.b64decode(text).decode() != USER_AND_PASSWORD:
                return self.reply(401, {"errors": [{"code": "UNAUTHORIZED", "message": "bad credentials"}]})
            subject = USER
        scopes = [scope for value in query.get("scope", []) for scope in value.split(" ")]
        token = make_token(subject, query.get("service", [""])[0], scopes)
        document = {"token": token, "access_token": token, "expires_in": LIFETIME_SECONDS}
        if query.get("offline_token") == ["true"] and subject:
            document["refresh_token"] = "refresh-" + subject
        return self.reply(200, document)

    def do_POST(self):
        query = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        field = lambda name: query.get(name, [""])[0]
        refreshed = field("grant_type") == "refresh_token" and field("refresh_token") == "refresh-" + USER
        password = field("grant_type") == "password" and field("username") + ":" + field("password") == USER_AND_PASSWORD
        if not (refreshed or password):
            return self.reply(401, {"error": "invalid_grant"})
        token = make_token(USER, field("service"), field("scope").split(" "))
        return self.reply(200, {"access_token": token, "expires_in": LIFETIME_SECONDS, "scope": field("scope"),
                                "refresh_token": "refresh-" + USER})

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
