// Proxies by the environment, and addresses that must not be reached.
#include "base/http_proxy.hpp"

#include "base/http_address.hpp"
#include "base/http_support.hpp"
#include "support/scripted_server.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <cstdlib>

using namespace cooper;
using namespace cooper::testing;

namespace {

/// Set in this process for a while.
class ProcessVariables {
public:
    explicit ProcessVariables(const std::string& value) {
        for (const char* name : kNames) {
            ::setenv(name, value.c_str(), 1);
        }
    }
    ProcessVariables(const ProcessVariables&) = delete;
    ProcessVariables& operator=(const ProcessVariables&) = delete;
    ~ProcessVariables() {
        for (const char* name : kNames) {
            ::unsetenv(name);
        }
    }

private:
    static constexpr std::array<const char*, 2> kNames = {"http_proxy", "ALL_PROXY"};
};

std::string proxy_for(std::map<std::string, std::string, std::less<>> variables, const std::string& url) {
    return HttpProxies(Environment(std::move(variables))).of(Url::parse(url));
}

}  // namespace

TEST_CASE("proxy: chosen by scheme, HTTP_PROXY in capitals does not count", "[unit][base]") {
    REQUIRE(proxy_for({{"HTTPS_PROXY", "http://p:1"}}, "https://h/") == "http://p:1");
    REQUIRE(proxy_for({{"HTTPS_PROXY", "http://p:1"}}, "http://h/") == "");
    REQUIRE(proxy_for({{"https_proxy", "http://low"}, {"HTTPS_PROXY", "http://high"}}, "https://h/") == "http://low");
    REQUIRE(proxy_for({{"http_proxy", "p:1"}}, "http://h/") == "p:1");
    REQUIRE(proxy_for({{"HTTP_PROXY", "p:1"}}, "http://h/") == "");
    REQUIRE(proxy_for({{"ALL_PROXY", "socks5h://p:1"}}, "http://h/") == "socks5h://p:1");
    REQUIRE(proxy_for({{"ALL_PROXY", "socks5h://p:1"}, {"https_proxy", "http://q"}}, "https://h/") == "http://q");
    REQUIRE(proxy_for({}, "https://h/") == "");
}

TEST_CASE("proxy: loopback has none", "[unit][base]") {
    const auto* const url =
        GENERATE("http://localhost:5000/", "http://127.0.0.1/", "http://[::1]:9/", "http://b.localhost/");
    REQUIRE(proxy_for({{"http_proxy", "p:1"}, {"ALL_PROXY", "p:1"}}, url) == "");
}

TEST_CASE("proxy: NO_PROXY takes names, subdomains, ports, addresses and blocks", "[unit][base]") {
    const auto [list, host, port, covered] = GENERATE(table<std::string, std::string, int, bool>({
        {"*", "anything", 80, true},
        {"example.com", "example.com", 443, true},
        {"example.com", "a.example.com", 443, true},
        {".example.com", "a.example.com", 443, true},
        {".example.com", "example.com", 443, true},
        {"*.example.com", "a.b.example.com", 443, true},
        {"EXAMPLE.com", "a.example.com", 443, true},
        {"example.com", "badexample.com", 443, false},
        {"example.com", "example.com.evil", 443, false},
        {"a, b ,example.com", "example.com", 443, true},
        {"a b\texample.com", "example.com", 443, true},
        {"example.com:8443", "example.com", 8443, true},
        {"example.com:8443", "example.com", 443, false},
        {"10.0.0.0/8", "10.20.30.40", 80, true},
        {"10.0.0.0/8", "11.0.0.1", 80, false},
        {"10.20.30.0/23", "10.20.31.9", 80, true},
        {"10.20.30.0/23", "10.20.32.9", 80, false},
        {"10.0.0.1", "10.0.0.1", 80, true},
        {"0.0.1", "10.0.0.1", 80, false},
        {"fd00::/8", "fd12::1", 80, true},
        {"[fd12::1]:80", "fd12::1", 80, true},
        {"fd12::1", "fd12:0::1", 80, true},
        {"10.0.0.0/99", "10.0.0.1", 80, false},
        {"", "h", 80, false},
        {",,", "h", 80, false},
        {".", "h", 80, false},
        {"[", "h", 80, false},
    }));
    CAPTURE(list, host, port);
    REQUIRE(no_proxy_covers(list, host, static_cast<std::uint16_t>(port)) == covered);
}

TEST_CASE("proxy: requests for other hosts go through it, whole URL and all", "[unit][base]") {
    ScriptedServer proxy([](const ScriptedRequest&) -> ScriptedReply { return {.body = "from the proxy"}; });
    const auto client = client_with({{"http_proxy", "http://user:pass@127.0.0.1:" + std::to_string(proxy.port())}});
    HttpResponse response = client->send(get("http://registry.example/v2/a/../b?c=%41"), {});
    REQUIRE(body_of(response) == "from the proxy");
    const ScriptedRequest seen = proxy.requests().at(0);
    REQUIRE(seen.target == "http://registry.example/v2/a/../b?c=%41");
    REQUIRE(seen.headers.find("Host") == "registry.example");
    REQUIRE(seen.headers.find("Proxy-Authorization") == "Basic dXNlcjpwYXNz");
}

TEST_CASE("proxy: loopback, NO_PROXY and use_proxy = false go straight", "[unit][base]") {
    ScriptedServer proxy([](const ScriptedRequest&) -> ScriptedReply { return {.status = 502}; });
    ScriptedServer server([](const ScriptedRequest&) -> ScriptedReply { return {.status = 200}; });
    const auto client = client_with({{"http_proxy", proxy.url()}, {"NO_PROXY", "nobody.invalid"}});
    REQUIRE(client->send(get(server.url()), {}).status == 200);
    const auto direct = error_of([&] { client->send(get("http://nobody.invalid/"), {}); });
    REQUIRE(direct);
    HttpRequest request = get("http://nowhere.invalid/");
    request.use_proxy = false;
    REQUIRE(error_of([&] { client->send(request, {}); }));
    REQUIRE(proxy.requests().empty());
}

TEST_CASE("proxy: the process's own variables are not read", "[unit][base]") {
    ScriptedServer proxy([](const ScriptedRequest&) -> ScriptedReply { return {.status = 502}; });
    const ProcessVariables variables(proxy.url());
    const auto client = client_with();
    REQUIRE(error_of([&] { client->send(get("http://nowhere.invalid/"), {}); }));
    REQUIRE(proxy.requests().empty());
}

TEST_CASE("proxy: one that refuses a tunnel is named, its password is not", "[unit][base][fault]") {
    ScriptedServer proxy([](const ScriptedRequest&) -> ScriptedReply { return {.status = 407}; });
    const std::string address = "127.0.0.1:" + std::to_string(proxy.port());
    const auto client = client_with({{"HTTPS_PROXY", "http://user:hunter2@" + address}});
    const auto error = error_of([&] { client->send(get("https://registry.example/v2/"), {}); });
    REQUIRE(error);
    REQUIRE(error->code() == ErrorCode::Unavailable);
    REQUIRE(proxy.requests().at(0).method == "CONNECT");
    REQUIRE(proxy.requests().at(0).target == "registry.example:443");
    REQUIRE(contains(error->what(), "proxy http://" + address));
    REQUIRE_FALSE(contains(std::string(error->what()) + error->advice(), "hunter2"));
}

TEST_CASE("public_address_only: a name that leads to loopback is not connected to", "[unit][base]") {
    ScriptedServer server([](const ScriptedRequest&) -> ScriptedReply { return {}; });
    const auto client = client_with();
    const std::string host = GENERATE("localhost", "127.0.0.1");
    HttpRequest request = get("http://" + host + ":" + std::to_string(server.port()) + "/");
    // An idle connection that was opened without the check must not serve it either.
    HttpResponse first = client->send(request, {});
    body_of(first);
    request.public_address_only = true;
    const auto error = error_of([&] { client->send(request, {}); });
    REQUIRE(error);
    REQUIRE(error->code() == ErrorCode::AccessDenied);
    REQUIRE(contains(error->what(), "not a public address"));
    REQUIRE(server.connections() == 1);
}

TEST_CASE("addresses: what is public and what is not", "[unit][base]") {
    const auto [text, is_public] = GENERATE(table<std::string, bool>({
        {"8.8.8.8", true},
        {"172.15.255.255", true},
        {"172.32.0.0", true},
        {"100.63.255.255", true},
        {"192.169.0.1", true},
        {"2606:4700::1111", true},
        {"0.0.0.0", false},
        {"10.0.0.1", false},
        {"100.64.0.1", false},
        {"127.0.0.1", false},
        {"169.254.169.254", false},
        {"172.16.0.1", false},
        {"172.31.255.255", false},
        {"192.168.1.1", false},
        {"198.19.0.1", false},
        {"224.0.0.1", false},
        {"255.255.255.255", false},
        {"::", false},
        {"::1", false},
        {"::ffff:127.0.0.1", false},
        {"::ffff:8.8.8.8", true},
        {"::7f00:1", false},
        {"64:ff9b::7f00:1", false},
        {"64:ff9b::808:808", true},
        {"2002:7f00:1::", false},
        {"2002:0a00:1::", false},
        {"fd00:ec2::254", false},
        {"fe80::1", false},
        {"ff02::1", false},
    }));
    CAPTURE(text);
    const auto address = IpAddress::parse(text);
    REQUIRE(address);
    REQUIRE(address->is_public() == is_public);
}
