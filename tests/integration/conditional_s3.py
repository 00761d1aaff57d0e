"""An S3 endpoint in this process with atomic conditional writes, for what the S3 servers at hand cannot do.

Signatures are checked with botocore, which shares no code with cooper. Objects live in memory. `Faults` make it slow, lossy or
busy; `requests` is what it was asked.
"""

import base64
import hashlib
import random
import re
import sys
import threading
import time
import urllib.parse
import xml.sax.saxutils
import zlib
from datetime import datetime, timezone
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.etree import ElementTree

import botocore.auth
import botocore.awsrequest
import botocore.credentials

MAX_SKEW_SECONDS = 900
MAX_PRESIGN_SECONDS = 604_800
MIN_PART = 5 << 20


class Refused(Exception):
    def __init__(self, status, code, message=""):
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


class Faults:
    """What goes wrong, by request kind ("PUT object", "upload part", "complete", …)."""

    def __init__(self, seed=1):
        self.random = random.Random(seed)
        self.delay = {}      # kind -> seconds, waited before the answer
        self.jitter = 0.0    # at most so many seconds before each answer
        self.lost = {}       # kind -> probability that it is done and the reply never sent
        self.busy = {}       # kind -> how many times to answer 503 SlowDown
        self.conflict = {}   # kind -> probability of 409 ConditionalRequestConflict
        self.error_in_200 = {}  # kind -> how many times to answer 200 with an error document
        self.spared = ()  # keys that begin with one of these never conflict and lose no reply
        self.lock = threading.Lock()

    def take(self, counts, kind):
        with self.lock:
            if counts.get(kind, 0) > 0:
                counts[kind] -= 1
                return True
            return False

    def happens(self, probabilities, kind, key):
        with self.lock:
            return not key.startswith(self.spared) and self.random.random() < probabilities.get(kind, 0)


class StoredObject:
    def __init__(self, data, headers, etag):
        self.data, self.headers, self.etag = data, headers, etag
        self.modified = formatdate(usegmt=True)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a client that was killed
            super().handle_error(request, client_address)


class Doomed:
    def __init__(self, process, writes, armed_by):
        self.process, self.left, self.armed_by, self.armed, self.lock = process, writes, armed_by, False, threading.Lock()

    def written(self, key):
        with self.lock:
            self.armed = self.armed or self.armed_by in key
            if self.armed and self.left == 0:
                self.process.kill()
                self.process.wait()
            self.left -= self.armed

    def is_killed(self):
        return self.left < 0


class ConditionalS3:
    key, secret, region = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1"

    def __init__(self, bucket="releases", conditional=True):
        self.buckets = {bucket: {}}
        self.uploads = {}
        self.conditional = conditional
        self.faults = Faults()
        self.requests = []
        self.lock = threading.Lock()
        self.doomed = None  # a client that is killed on the way
        self.next_upload = 0
        self.server = Server(("127.0.0.1", 0), type("BoundHandler", (Handler,), {"store": self}))
        self.endpoint = "http://127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def objects(self, bucket="releases"):
        with self.lock:
            return dict(self.buckets[bucket])

    def kill_after(self, process, writes, armed_by):
        """Kills a client before it hears of its write number `writes` after the first one to a key with `armed_by` in it (0: that one).
        Returns a function that tells whether it came to that."""
        self.doomed = Doomed(process, writes, armed_by)
        return self.doomed.is_killed

    def count(self, kind):
        with self.lock:
            return sum(1 for seen, _ in self.requests if seen == kind)


def check_signature(store, method, path, query, headers):
    """Raises Refused unless the request is signed with our key; knows headers and presigned queries."""
    fields = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
    if "X-Amz-Signature" in fields:
        return check_presigned(store, method, path, query, headers, fields)
    match = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8}/[^/]+/s3/aws4_request), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})",
                         headers.get("Authorization", ""))
    if not match:
        raise Refused(403, "AccessDenied", "no usable Authorization header")
    key, scope, signed, signature = match.groups()
    if key != store.key:
        raise Refused(403, "InvalidAccessKeyId")
    names = signed.split(";")
    for name in headers:
        if name.lower().startswith("x-amz-") and name.lower() not in names:
            raise Refused(403, "AccessDenied", "%s is not signed" % name)
    if "host" not in names or "x-amz-content-sha256" not in headers:
        raise Refused(400, "InvalidRequest", "host and x-amz-content-sha256 must be sent and signed")
    stamp = headers.get("x-amz-date", "")
    check_clock(stamp)
    region = scope.split("/")[1]
    if region != store.region:
        raise Refused(400, "AuthorizationHeaderMalformed", "the region is %s" % store.region)
    request = signable(method, path, query, headers, names, stamp)
    check_equal(botocore.auth.S3SigV4Auth, store, region, request, signature)
    return None


def check_presigned(store, method, path, query, headers, fields):
    stamp, expires = fields.get("X-Amz-Date", ""), int(fields.get("X-Amz-Expires", "0"))
    if not 1 <= expires <= MAX_PRESIGN_SECONDS:
        raise Refused(400, "AuthorizationQueryParametersError")
    if time.time() > check_clock(stamp, skew=MAX_PRESIGN_SECONDS) + expires:
        raise Refused(403, "AccessDenied", "Request has expired")
    key, _, region = fields.get("X-Amz-Credential", "").split("/")[:3]
    if key != store.key:
        raise Refused(403, "InvalidAccessKeyId")
    unsigned = "&".join(part for part in query.split("&") if not part.startswith("X-Amz-Signature="))
    request = signable(method, path, unsigned, headers, fields.get("X-Amz-SignedHeaders", "").split(";"), stamp)
    check_equal(botocore.auth.S3SigV4QueryAuth, store, region, request, fields["X-Amz-Signature"])


def check_clock(stamp, skew=MAX_SKEW_SECONDS):
    try:
        moment = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc).timestamp()
    except ValueError as error:
        raise Refused(403, "AccessDenied", "no x-amz-date") from error
    if abs(time.time() - moment) > skew:
        raise Refused(403, "RequestTimeTooSkewed")
    return moment


def signable(method, path, query, headers, names, stamp):
    url = "http://" + headers["Host"] + path + ("?" + query if query else "")
    request = botocore.awsrequest.AWSRequest(method, url, headers={name: headers.get(name, "") for name in names})
    request.context["timestamp"] = stamp
    return request


def check_equal(auth_class, store, region, request, signature):
    auth = auth_class(botocore.credentials.Credentials(store.key, store.secret), "s3", region)
    expected = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    if expected != signature:
        raise Refused(403, "SignatureDoesNotMatch", auth.canonical_request(request))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body of an answer are two writes: 40 ms each time otherwise
    store = None  # bound by ConditionalS3

    def log_message(self, *_):
        pass

    def handle_request(self):
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", "0") or "0"))
        fields = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        bucket, _, key = urllib.parse.unquote(path[1:]).partition("/")
        kind, action = self.route(key, fields)
        with self.store.lock:
            self.store.requests.append((kind, key))
        faults = self.store.faults
        time.sleep(faults.delay.get(kind, 0) + faults.random.random() * faults.jitter)
        try:
            check_signature(self.store, self.command, path, query, self.headers)
            self.check_body(body)
            if faults.take(faults.busy, kind):
                raise Refused(503, "SlowDown")
            if faults.take(faults.error_in_200, kind):
                return self.reply(200, error_document("InternalError", "one in a 200"))
            if bucket not in self.store.buckets:
                raise Refused(404, "NoSuchBucket")
            if faults.happens(faults.conflict, kind, key) and (self.headers.get("If-Match") or self.headers.get("If-None-Match")):
                raise Refused(409, "ConditionalRequestConflict")
            answer = action(self.store.buckets[bucket], key, fields, body)
        except Refused as refusal:
            return self.reply(refusal.status, error_document(refusal.code, refusal.message))
        if self.store.doomed and self.command != "GET" and self.command != "HEAD":
            self.store.doomed.written(key)
        if faults.happens(faults.lost, kind, key):
            self.close_connection = True
            return None
        return self.reply(*answer)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_request

    def route(self, key, fields):
        method = self.command
        if not key:
            if "uploads" in fields:
                return "list uploads", self.list_uploads
            return ("list", self.list_objects) if method == "GET" else ("bucket", lambda *_: (200, b""))
        if method == "POST":
            return ("create upload", self.create_upload) if "uploads" in fields else ("complete", self.complete)
        if "uploadId" in fields:
            return {"PUT": ("upload part", self.put_part), "DELETE": ("abort", self.abort), "GET": ("list parts", self.list_parts)}[method]
        return {"PUT": ("PUT object", self.put), "GET": ("GET object", self.get), "HEAD": ("HEAD object", self.get),
                "DELETE": ("DELETE object", self.delete)}[method]

    def reply(self, status, body=b"", headers=None, length=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def check_body(self, body):
        said = self.headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
        if re.fullmatch("[0-9a-f]{64}", said) and hashlib.sha256(body).hexdigest() != said:
            raise Refused(400, "XAmzContentSHA256Mismatch")
        checks = {"Content-MD5": hashlib.md5(body).digest(), "x-amz-checksum-sha256": hashlib.sha256(body).digest(),
                  "x-amz-checksum-crc32": zlib.crc32(body).to_bytes(4, "big")}
        for name, value in checks.items():
            if self.headers.get(name, base64.b64encode(value).decode()) != base64.b64encode(value).decode():
                raise Refused(400, "BadDigest", name)

    def check_condition(self, objects, key):
        """Under the lock, with the write: what makes a race have one winner."""
        if not self.store.conditional:
            if self.headers.get("If-Match") or self.headers.get("If-None-Match"):
                raise Refused(501, "NotImplemented")
            return
        present = objects.get(key)
        if self.headers.get("If-None-Match") == "*" and present:
            raise Refused(412, "PreconditionFailed")
        wanted = self.headers.get("If-Match")
        if wanted and not present:
            raise Refused(404, "NoSuchKey")
        if wanted and present.etag != wanted:
            raise Refused(412, "PreconditionFailed")

    def stored_headers(self):
        kept = ("content-type", "content-disposition", "cache-control")
        return {name: value for name, value in self.headers.items() if name.lower() in kept or name.lower().startswith("x-amz-meta-")}

    def put(self, objects, key, fields, body):
        etag = '"%s"' % hashlib.md5(body).hexdigest()
        with self.store.lock:
            self.check_condition(objects, key)
            objects[key] = StoredObject(body, self.stored_headers(), etag)
        return 200, b"", {"ETag": etag}

    def get(self, objects, key, fields, _):
        found = objects.get(key)
        if not found:
            raise Refused(404, "NoSuchKey")
        headers = {"ETag": found.etag, "Last-Modified": found.modified, "Accept-Ranges": "bytes", **found.headers}
        if "response-content-disposition" in fields:
            headers["Content-Disposition"] = fields["response-content-disposition"]
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not match:
            return 200, found.data, headers, len(found.data)
        first, last = int(match[1]), min(int(match[2] or len(found.data)), len(found.data) - 1)
        headers["Content-Range"] = "bytes %d-%d/%d" % (first, last, len(found.data))
        return 206, found.data[first:last + 1], headers

    def delete(self, objects, key, fields, _):
        with self.store.lock:
            objects.pop(key, None)
        return 204, b""

    def list_objects(self, objects, _, fields, __):
        prefix, after = fields.get("prefix", ""), fields.get("continuation-token", fields.get("start-after", ""))
        page = int(fields.get("max-keys", "1000"))
        with self.store.lock:
            keys = sorted(key for key in objects if key.startswith(prefix) and key > after)
            rows = "".join("<Contents><Key>%s</Key><Size>%d</Size><ETag>%s</ETag><LastModified>2024-01-01T00:00:00.000Z</LastModified></Contents>"
                           % (escaped(key, fields), len(objects[key].data), escaped(objects[key].etag, {})) for key in keys[:page])
        more = len(keys) > page
        token = "<NextContinuationToken>%s</NextContinuationToken>" % escaped(keys[page - 1], {}) if more else ""
        encoding = "<EncodingType>url</EncodingType>" if fields.get("encoding-type") == "url" else ""
        return 200, document("ListBucketResult", "<IsTruncated>%s</IsTruncated>%s%s%s" % (str(more).lower(), encoding, token, rows))

    def create_upload(self, objects, key, fields, _):
        with self.store.lock:
            self.store.next_upload += 1
            upload_id = "upload-%d" % self.store.next_upload
            self.store.uploads[upload_id] = (key, {}, self.stored_headers())
        return 200, document("InitiateMultipartUploadResult", "<UploadId>%s</UploadId>" % upload_id)

    def upload(self, fields):
        if fields["uploadId"] not in self.store.uploads:
            raise Refused(404, "NoSuchUpload")
        return self.store.uploads[fields["uploadId"]]

    def put_part(self, objects, key, fields, body):
        etag = '"%s"' % hashlib.md5(body).hexdigest()
        with self.store.lock:
            self.upload(fields)[1][int(fields["partNumber"])] = (etag, body)
        return 200, b"", {"ETag": etag}

    def complete(self, objects, key, fields, body):
        asked = [(int(part.findtext("{*}PartNumber")), part.findtext("{*}ETag")) for part in ElementTree.fromstring(body).iter()
                 if part.tag.endswith("Part")]
        with self.store.lock:
            _, parts, headers = self.upload(fields)
            self.check_condition(objects, key)
            chosen = [parts.get(number, ("", b"")) for number, _ in asked]
            if any(etag.strip('"') != wanted.strip('"') for (etag, _), (_, wanted) in zip(chosen, asked)):
                raise Refused(400, "InvalidPart")
            if any(len(data) < MIN_PART for _, data in chosen[:-1]):
                raise Refused(400, "EntityTooSmall")
            hashes = b"".join(hashlib.md5(data).digest() for _, data in chosen)
            etag = '"%s-%d"' % (hashlib.md5(hashes).hexdigest(), len(chosen))
            objects[key] = StoredObject(b"".join(data for _, data in chosen), headers, etag)
            del self.store.uploads[fields["uploadId"]]
        return 200, document("CompleteMultipartUploadResult", "<Key>%s</Key><ETag>%s</ETag>" % (escaped(key, {}), escaped(etag, {})))

    def abort(self, objects, key, fields, _):
        with self.store.lock:
            self.upload(fields)
            del self.store.uploads[fields["uploadId"]]
        return 204, b""

    def list_parts(self, objects, key, fields, _):
        parts = self.upload(fields)[1]
        rows = "".join("<Part><PartNumber>%d</PartNumber><ETag>%s</ETag><Size>%d</Size></Part>" % (number, escaped(etag, {}), len(data))
                       for number, (etag, data) in sorted(parts.items()))
        return 200, document("ListPartsResult", "<IsTruncated>false</IsTruncated>" + rows)

    def list_uploads(self, objects, _, fields, __):
        prefix = fields.get("prefix", "")
        with self.store.lock:
            rows = "".join("<Upload><Key>%s</Key><UploadId>%s</UploadId><Initiated>2024-01-01T00:00:00.000Z</Initiated></Upload>"
                           % (escaped(key, fields), upload_id) for upload_id, (key, _, _) in self.store.uploads.items() if key.startswith(prefix))
        return 200, document("ListMultipartUploadsResult", "<IsTruncated>false</IsTruncated>" + rows)


def escaped(text, fields):
    return urllib.parse.quote(text) if fields.get("encoding-type") == "url" else xml.sax.saxutils.escape(text)


def document(root, content):
    return ('<?xml version="1.0" encoding="UTF-8"?>\n<%s xmlns="http://s3.amazonaws.com/doc/2006-03-01/">%s</%s>' % (root, content, root)).encode()


def error_document(code, message):
    return ('<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>%s</Code><Message>%s</Message><RequestId>1</RequestId></Error>'
            % (code, escaped(message, {}))).encode()
