// Unix sockets: engines listen there.
#include "cooper/base/files.hpp"

#include "base/http_support.hpp"
#include "support/scripted_server.hpp"

#include <catch2/catch.hpp>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

using namespace cooper;
using namespace cooper::testing;

namespace {

class Sockets {
public:
    [[nodiscard]] std::string at(const std::string& name) const { return (directory_.path() / name).string(); }

private:
    TempDirectory directory_{"cts"};
};

HttpRequest over(const std::string& socket, const std::string& url = "http://localhost/v1.41/x") {
    HttpRequest request = get(url);
    request.unix_socket = socket;
    return request;
}

ScriptedHandler says(const std::string& text) {
    return [text](const ScriptedRequest&) { return ScriptedReply{.body = text}; };
}

Error failure(HttpClient& client, const HttpRequest& request) {
    const auto error = error_of([&] { client.send(request, {}); });
    REQUIRE(error);
    return *error;
}

/// A socket file that nobody listens on, as a killed daemon leaves it.
void leave_behind(const std::string& path) {
    const FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
}

}  // namespace

TEST_CASE("unix socket: a request goes there with a plain Host, and the connection is kept", "[unit][base]") {
    const Sockets sockets;
    ScriptedServer server(says("fine"), {.unix_socket = sockets.at("engine.sock")});
    const auto client = client_with();
    for (int i = 0; i < 3; ++i) {
        HttpResponse response = client->send(over(sockets.at("engine.sock")), {});
        REQUIRE(body_of(response) == "fine");
    }
    REQUIRE(server.connections() == 1);
    REQUIRE(server.requests().at(0).target == "/v1.41/x");
    REQUIRE(server.requests().at(0).headers.find("Host") == "localhost");
}

TEST_CASE("unix socket: connections of two sockets and of loopback are told apart", "[unit][base]") {
    const Sockets sockets;
    ScriptedServer one(says("one"), {.unix_socket = sockets.at("one")});
    ScriptedServer two(says("two"), {.unix_socket = sockets.at("two")});
    ScriptedServer tcp(says("tcp"));
    const auto client = client_with();
    for (int i = 0; i < 2; ++i) {
        HttpResponse first = client->send(over(sockets.at("one"), tcp.url()), {});
        REQUIRE(body_of(first) == "one");
        HttpResponse second = client->send(over(sockets.at("two"), tcp.url()), {});
        REQUIRE(body_of(second) == "two");
        HttpResponse third = client->send(get(tcp.url()), {});
        REQUIRE(body_of(third) == "tcp");
    }
    REQUIRE((one.connections() == 1 && two.connections() == 1 && tcp.connections() == 1));
}

TEST_CASE("unix socket: no proxy is asked", "[unit][base]") {
    const Sockets sockets;
    ScriptedServer server(says("fine"), {.unix_socket = sockets.at("s")});
    const auto client = client_with({{"http_proxy", "http://127.0.0.1:1"}, {"ALL_PROXY", "http://127.0.0.1:1"}});
    HttpResponse response = client->send(over(sockets.at("s"), "http://engine.example/x"), {});
    REQUIRE(body_of(response) == "fine");
}

TEST_CASE("unix socket: a long body goes up and a long answer comes down", "[unit][base]") {
    const Sockets sockets;
    ScriptedServer server(
        [](const ScriptedRequest& request) {
            return ScriptedReply{.body = std::to_string(request.body_size) + ";", .size = 3'000'000, .chunked = true};
        },
        {.unix_socket = sockets.at("s")});
    const auto client = client_with();
    HttpRequest request = put("http://localhost/load", std::string(5'000'000, 'x'));
    request.unix_socket = sockets.at("s");
    HttpResponse response = client->send(request, {});
    const std::string body = body_of(response);
    REQUIRE(body.size() == 3'000'000);
    REQUIRE(body.starts_with("5000000;"));
}

TEST_CASE("unix socket: why there is no connection is said with the socket's path", "[unit][base]") {
    const Sockets sockets;
    const auto client = client_with();
    SECTION("nothing is there") {
        const Error error = failure(*client, over(sockets.at("absent")));
        REQUIRE(error.code() == ErrorCode::Unavailable);
        REQUIRE(contains(error.what(), "cannot connect to " + sockets.at("absent") + ": No such file or directory"));
    }
    SECTION("nobody listens") {
        leave_behind(sockets.at("dead"));
        const Error error = failure(*client, over(sockets.at("dead")));
        REQUIRE(error.code() == ErrorCode::Unavailable);
        REQUIRE(contains(error.what(), sockets.at("dead") + ": Connection refused"));
    }
    SECTION("a regular file") {
        write_file(sockets.at("file"), "");
        REQUIRE(contains(failure(*client, over(sockets.at("file"))).what(), "Connection refused"));
    }
    SECTION("it breaks before an answer") {
        ScriptedServer server([](const ScriptedRequest&) { return ScriptedReply{.no_answer = true}; },
                              {.unix_socket = sockets.at("s")});
        REQUIRE(failure(*client, over(sockets.at("s"))).code() == ErrorCode::Unavailable);
    }
}

TEST_CASE("unix socket: a path that is none, and TLS, are refused before anything is sent", "[unit][base]") {
    const auto client = client_with();
    REQUIRE(failure(*client, over("relative/path")).code() == ErrorCode::InvalidInput);
    const Error error = failure(*client, over("/" + std::string(107, 'x')));
    REQUIRE(error.code() == ErrorCode::InvalidInput);
    REQUIRE(contains(error.advice(), "107 bytes"));
    REQUIRE(failure(*client, over("/run/x.sock", "https://localhost/")).code() == ErrorCode::InvalidInput);
    // The longest path that fits is tried.
    REQUIRE(failure(*client, over("/" + std::string(106, 'x'))).code() == ErrorCode::Unavailable);
}
