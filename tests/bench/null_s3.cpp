// An S3 end that costs almost nothing: it drops bodies, checks no signature, and answers what uploaders expect.
// Benchmarks then measure the uploader. Small objects are kept, so changelogs and conditional writes work; of large
// ones only the headers.
//
//   null_s3 PORT
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t kKept = 1U << 20;     // larger bodies are dropped
constexpr std::size_t kReceive = 1U << 20;  // bytes asked of the kernel at once
constexpr std::size_t kMaxHead = 64U << 10;

struct Object {
    std::uint64_t size = 0;
    std::string body;  // empty beyond kKept
    std::string etag;
    std::string metadata;  // header lines, as sent
};

struct Upload {
    std::string metadata;
    std::map<int, std::uint64_t> parts;
};

class Store {
public:
    std::mutex mutex;
    std::map<std::string, Object> objects;
    std::map<std::string, Upload> uploads;
    std::string new_etag() { return "\"" + std::to_string(++counter_) + "\""; }

private:
    std::atomic<std::uint64_t> counter_{0};
};

struct Request {
    std::string method;
    std::string path;
    std::string query;
    std::map<std::string, std::string> headers;  // names in lower case
    std::uint64_t length = 0;
    std::string body;  // the first kKept bytes

    [[nodiscard]] std::string header(const std::string& name) const {
        const auto found = headers.find(name);
        return found == headers.end() ? "" : found->second;
    }
    [[nodiscard]] std::string parameter(const std::string& name) const {
        const std::string wanted = name + "=";
        for (std::size_t at = 0; at < query.size();) {
            const std::size_t end = std::min(query.find('&', at), query.size());
            if (query.compare(at, wanted.size(), wanted) == 0) {
                return query.substr(at + wanted.size(), end - at - wanted.size());
            }
            at = end + 1;
        }
        return "";
    }
    [[nodiscard]] bool asks(const std::string& word) const {
        return query == word || query.starts_with(word + "=") || query.starts_with(word + "&") ||
               query.find("&" + word) != std::string::npos;
    }
    [[nodiscard]] std::string metadata() const {
        std::string lines;
        for (const auto& [name, value] : headers) {
            if (name.starts_with("x-amz-meta-") || name == "content-type" || name == "content-disposition") {
                lines += name + ": " + value + "\r\n";
            }
        }
        return lines;
    }
};

struct Reply {
    int status = 200;
    std::string body;
    std::string headers;
    std::uint64_t length_of_head = 0;  // Content-Length of a HEAD reply
};

Reply failure(int status, const std::string& code) {
    return {.status = status, .body = "<Error><Code>" + code + "</Code><Message>null</Message></Error>", .headers = ""};
}

std::string xml(const std::string& root, const std::string& content) {
    return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<" + root + ">" + content + "</" + root + ">";
}

bool condition_holds(const Request& request, const Object* present) {
    if (request.header("if-none-match") == "*" && present != nullptr) {
        return false;
    }
    const std::string wanted = request.header("if-match");
    return wanted.empty() || (present != nullptr && present->etag == wanted);
}

Reply put(Store& store, const Request& request) {
    const std::lock_guard lock(store.mutex);
    const auto found = store.objects.find(request.path);
    if (!condition_holds(request, found == store.objects.end() ? nullptr : &found->second)) {
        return failure(412, "PreconditionFailed");
    }
    const std::string etag = store.new_etag();
    store.objects[request.path] = {request.length, request.length <= kKept ? request.body : "", etag,
                                   request.metadata()};
    return {.body = "", .headers = "ETag: " + etag + "\r\n"};
}

Reply put_part(Store& store, const Request& request) {
    const std::lock_guard lock(store.mutex);
    const auto upload = store.uploads.find(request.parameter("uploadId"));
    if (upload == store.uploads.end()) {
        return failure(404, "NoSuchUpload");
    }
    upload->second.parts[std::atoi(request.parameter("partNumber").c_str())] = request.length;
    return {.body = "", .headers = "ETag: " + store.new_etag() + "\r\n"};
}

Reply post(Store& store, const Request& request) {
    const std::lock_guard lock(store.mutex);
    if (request.asks("uploads")) {
        const std::string id = "u" + store.new_etag().substr(1);
        const std::string name = id.substr(0, id.size() - 1);
        store.uploads[name] = {request.metadata(), {}};
        return {.body = xml("InitiateMultipartUploadResult", "<UploadId>" + name + "</UploadId>"), .headers = ""};
    }
    const auto upload = store.uploads.find(request.parameter("uploadId"));
    if (upload == store.uploads.end()) {
        return failure(404, "NoSuchUpload");
    }
    const auto found = store.objects.find(request.path);
    if (!condition_holds(request, found == store.objects.end() ? nullptr : &found->second)) {
        return failure(412, "PreconditionFailed");
    }
    std::uint64_t size = 0;
    for (const auto& [number, bytes] : upload->second.parts) {
        size += bytes;
    }
    const std::string etag = store.new_etag();
    store.objects[request.path] = {size, "", etag, upload->second.metadata};
    store.uploads.erase(upload);
    return {.body = xml("CompleteMultipartUploadResult", "<ETag>" + etag + "</ETag>"), .headers = ""};
}

Reply list(Store& store, const Request& request) {
    const std::lock_guard lock(store.mutex);
    if (request.asks("uploads")) {
        return {.body = xml("ListMultipartUploadsResult", "<IsTruncated>false</IsTruncated>"), .headers = ""};
    }
    std::string rows = "<IsTruncated>false</IsTruncated>";
    for (const auto& [path, object] : store.objects) {
        const std::size_t key = path.find('/', 1);
        if (path.starts_with(request.path) && key != std::string::npos) {
            rows += "<Contents><Key>" + path.substr(key + 1) + "</Key><Size>" + std::to_string(object.size) +
                    "</Size><ETag>" + object.etag +
                    "</ETag><LastModified>2024-01-01T00:00:00.000Z</LastModified></Contents>";
        }
    }
    return {.body = xml("ListBucketResult", rows), .headers = ""};
}

Reply get(Store& store, const Request& request) {
    const std::lock_guard lock(store.mutex);
    const auto found = store.objects.find(request.path);
    if (found == store.objects.end()) {
        return failure(404, "NoSuchKey");
    }
    const Object& object = found->second;
    return {
        .status = 200,
        .body = object.body,
        .headers = "ETag: " + object.etag + "\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n" + object.metadata,
        .length_of_head = object.size};
}

Reply answer(Store& store, const Request& request) {
    const bool is_bucket = request.path.find('/', 1) == std::string::npos || request.path.ends_with('/');
    if (request.method == "PUT") {
        return is_bucket ? Reply{} : request.asks("uploadId") ? put_part(store, request) : put(store, request);
    }
    if (request.method == "POST") {
        return post(store, request);
    }
    if (request.method == "DELETE") {
        const std::lock_guard lock(store.mutex);
        store.objects.erase(request.path);
        store.uploads.erase(request.parameter("uploadId"));
        return {.status = 204, .body = "", .headers = ""};
    }
    if (is_bucket) {
        return request.method == "HEAD" ? Reply{} : list(store, request);
    }
    return get(store, request);
}

/// One client: requests in a row on a kept connection.
class Connection {
public:
    Connection(Store& store, int socket) : store_(store), socket_(socket), buffer_(kReceive) {}
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() { close(socket_); }

    void serve() {
        Request request;
        while (read_head(request) && read_body(request)) {
            const Reply reply = answer(store_, request);
            const bool head = request.method == "HEAD";
            std::string out = "HTTP/1.1 " + std::to_string(reply.status) + " X\r\n" + reply.headers +
                              "Content-Length: " + std::to_string(head ? reply.length_of_head : reply.body.size()) +
                              "\r\n\r\n" + (head ? "" : reply.body);
            if (!send_all(out)) {
                return;
            }
            request = {};
        }
    }

private:
    bool fill() {
        const auto got = recv(socket_, buffer_.data(), buffer_.size(), 0);
        if (got > 0) {
            pending_.append(buffer_.data(), static_cast<std::size_t>(got));
        }
        return got > 0;
    }

    bool read_head(Request& request) {
        std::size_t end = 0;
        while ((end = pending_.find("\r\n\r\n")) == std::string::npos) {
            if (pending_.size() > kMaxHead || !fill()) {
                return false;
            }
        }
        const std::string head = pending_.substr(0, end + 2);
        pending_.erase(0, end + 4);
        parse(head, request);
        return true;
    }

    static void parse(const std::string& head, Request& request) {
        std::size_t at = head.find("\r\n");
        const std::string line = head.substr(0, at);
        const std::size_t first = line.find(' ');
        const std::size_t second = line.find(' ', first + 1);
        request.method = line.substr(0, first);
        const std::string target = line.substr(first + 1, second - first - 1);
        request.path = target.substr(0, target.find('?'));
        request.query = target.size() > request.path.size() ? target.substr(request.path.size() + 1) : "";
        for (at += 2; at < head.size();) {
            const std::size_t end = head.find("\r\n", at);
            const std::size_t colon = head.find(':', at);
            if (colon < end) {
                std::string name = head.substr(at, colon - at);
                std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
                request.headers[name] =
                    head.substr(head.find_first_not_of(' ', colon + 1), end - head.find_first_not_of(' ', colon + 1));
            }
            at = end + 2;
        }
        const std::string length = request.header("content-length");
        std::from_chars(length.data(), length.data() + length.size(), request.length);
    }

    bool read_body(Request& request) {
        if (!request.header("expect").empty() && !send_all("HTTP/1.1 100 Continue\r\n\r\n")) {
            return false;
        }
        std::uint64_t left = request.length;
        const auto here = static_cast<std::size_t>(std::min<std::uint64_t>(left, pending_.size()));
        request.body = pending_.substr(0, here);
        pending_.erase(0, here);
        left -= here;
        while (left > 0) {
            const auto got = recv(socket_, buffer_.data(), std::min<std::uint64_t>(left, buffer_.size()), 0);
            if (got <= 0) {
                return false;
            }
            if (request.length <= kKept) {
                request.body.append(buffer_.data(), static_cast<std::size_t>(got));
            }
            left -= static_cast<std::uint64_t>(got);
        }
        return true;
    }

    bool send_all(std::string_view text) {
        while (!text.empty()) {
            const auto sent = send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
            if (sent <= 0) {
                return false;
            }
            text.remove_prefix(static_cast<std::size_t>(sent));
        }
        return true;
    }

    Store& store_;
    int socket_;
    std::vector<char> buffer_;
    std::string pending_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: null_s3 PORT\n");
        return 2;
    }
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[1])));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(listener, 64) != 0) {
        std::perror("null_s3");
        return 1;
    }
    Store store;
    for (;;) {
        const int client = accept(listener, nullptr, nullptr);
        if (client < 0) {
            return 1;
        }
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        std::thread([&store, client] { Connection(store, client).serve(); }).detach();
    }
}
