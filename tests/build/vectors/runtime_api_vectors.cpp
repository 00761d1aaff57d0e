// runtime_api.json: what the original clients of the Runtime API send, how long they wait, and what they make of the
// answers; replayed against a server on loopback.
#include "cooper/base/compression.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/tar.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/remote_builder.hpp"

#include "build/vectors/vectors.hpp"
#include "support/fake_clock.hpp"
#include "support/scripted_server.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <initializer_list>
#include <mutex>
#include <variant>

namespace cooper::build {

namespace {

using testing::find_text;
using testing::text_or;
using testing::texts;
using testing::Value;

/// A field that the test does not read would be a rule that it does not check.
void require_known(const Value& object, std::initializer_list<std::string_view> known) {
    for (const auto& [key, value] : object.items()) {
        INFO("field '" << key << "'");
        REQUIRE(std::find(known.begin(), known.end(), key) != known.end());
    }
}

/// The answers of a case, one for each request. Threads: safe, each connection asks on its own.
class Script {
public:
    explicit Script(const Value& script) {
        for (const Value& step : script) {
            require_known(step, {"repeat", "status", "json", "text", "exception"});
            const auto repeat = step.find("repeat");
            replies_.insert(replies_.end(), repeat == step.end() ? 1 : repeat->get<std::size_t>(), reply(step));
        }
    }

    testing::ScriptedReply next() {
        const std::scoped_lock lock(mutex_);
        // Past its end: a status that no case has.
        testing::ScriptedReply reply = at_ < replies_.size() ? replies_[at_] : testing::ScriptedReply{.status = 599};
        ++at_;
        last_status_ = reply.status;
        reply.close = true;  // a kept connection that breaks would be replaced in silence
        return reply;
    }
    [[nodiscard]] int last_status() const {
        const std::scoped_lock lock(mutex_);
        return last_status_;
    }

private:
    static testing::ScriptedReply reply(const Value& step) {
        if (step.contains("exception")) {
            return {.status = 0, .no_answer = true};
        }
        const auto json = step.find("json");
        return {.status = step.at("status").get<int>(),
                .body = json == step.end() ? step.at("text").get<std::string>() : json->dump()};
    }

    mutable std::mutex mutex_;
    std::vector<testing::ScriptedReply> replies_;
    std::size_t at_ = 0;
    int last_status_ = 0;
};

/// Notes waits as the vectors name them. Those behind a 429 are the V0 client's own; the script knows only polls.
class NotedClock final : public Clock {
public:
    NotedClock(const Script& script, bool retries) : script_(script), retries_(retries) {}
    [[nodiscard]] std::chrono::system_clock::time_point now() const override { return clock_.now(); }
    void sleep_for(std::chrono::milliseconds duration, std::stop_token stop) override {
        const bool retry = retries_ && script_.last_status() == 429;
        sleeps.push_back({retry ? "send_request_retry" : "poll", std::chrono::duration<double>(duration).count()});
        clock_.sleep_for(duration, std::move(stop));
    }

    struct Sleep {
        std::string where;
        double seconds;
    };
    std::vector<Sleep> sleeps;

private:
    testing::FakeClock clock_;
    const Script& script_;
    bool retries_;
};

// --- the context and how it arrives --------------------------------------------------------------------------------

std::string make_context(const std::vector<std::string>& members) {
    StringSink archive(1 << 20);
    const auto gzip = gzip_compressing(archive);
    TarWriter tar(*gzip);
    for (const std::string& member : members) {
        const bool file = member.find("file") != std::string::npos || member.ends_with(".txt");
        const std::string content = file ? "content of " + member + "\n" : "";
        TarEntry entry;
        entry.type = file ? TarType::File : TarType::Directory;
        entry.path = member;
        entry.size = content.size();
        MemorySource source(content);
        file ? tar.add(entry, source) : tar.add(entry);
    }
    tar.finish();
    return archive.take();
}

std::vector<std::string> members_of(const std::string& context) {
    const auto tar = decompressed(std::make_unique<MemorySource>(context), Compression::Gzip);
    TarReader reader(*tar);
    std::vector<std::string> members;
    while (auto entry = reader.next()) {
        const bool slash = entry->path.ends_with('/');
        members.push_back(entry->path.substr(0, entry->path.size() - (slash ? 1 : 0)));
    }
    return members;
}

struct Part {
    Headers headers;
    std::string value;
};

/// RFC 7578 and RFC 2046 section 5.1, as strict as a server may be.
std::vector<Part> parts_of(const testing::ScriptedRequest& request) {
    constexpr std::string_view kType = "multipart/form-data; boundary=";
    const std::string type = request.headers.find("Content-Type").value_or("");
    REQUIRE(type.starts_with(kType));
    const std::string delimiter = "--" + type.substr(kType.size());
    std::vector<Part> parts;
    std::string_view rest = request.body;
    REQUIRE(rest.starts_with(delimiter));
    rest.remove_prefix(delimiter.size());
    while (rest != "--\r\n") {
        REQUIRE(rest.starts_with("\r\n"));
        rest.remove_prefix(2);
        const std::size_t end = rest.find("\r\n" + delimiter);
        const std::size_t head = rest.find("\r\n\r\n");
        REQUIRE(end != std::string_view::npos);
        REQUIRE(head < end);
        Part part;
        for (const std::string_view line : split(rest.substr(0, head), '\n')) {
            const std::size_t colon = line.find(':');
            part.headers.add(std::string(line.substr(0, colon)), std::string(trim(line.substr(colon + 1))));
        }
        part.value = rest.substr(head + 4, end - head - 4);
        parts.push_back(std::move(part));
        rest.remove_prefix(end + 2 + delimiter.size());
    }
    return parts;
}

void check_context(const std::string& text, const std::string& context) {
    REQUIRE(text.find_first_of("\r\n-_") == std::string::npos);  // standard alphabet, one line
    CHECK(from_base64(text) == context);
}

void check_parts(const Value& expected, const std::vector<Part>& parts, const std::string& context) {
    REQUIRE(parts.size() == expected.size());
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const Value& part = expected.at(i);
        require_known(part, {"content_disposition", "content_type", "value", "tar_members"});
        CHECK(parts[i].headers.find("Content-Disposition") == find_text(part, "content_disposition"));
        CHECK(parts[i].headers.find("Content-Type") == find_text(part, "content_type"));
        if (part.contains("tar_members")) {
            check_context(parts[i].value, context);
            CHECK(members_of(context) == texts(part.at("tar_members")));
        } else {
            CHECK(parts[i].value == text_or(part, "value"));
        }
    }
}

void check_request(const Value& expected, const testing::ScriptedRequest& request, const std::string& context) {
    require_known(expected, {"method", "path", "query", "x_api_key", "parts", "json", "content_type"});
    CAPTURE(request.target);
    const Url url = Url::parse("http://server" + request.target);
    CHECK(request.method == text_or(expected, "method"));
    CHECK(url.path == text_or(expected, "path"));
    Value query = Value::object();
    for (const std::string_view field : split(url.query, '&')) {
        if (!field.empty()) {
            const std::size_t equals = field.find('=');
            query[percent_decode(field.substr(0, equals), true)] = percent_decode(field.substr(equals + 1), true);
        }
    }
    CHECK(query == expected.at("query"));
    CHECK(request.headers.find("X-API-Key") == find_text(expected, "x_api_key"));
    if (const auto parts = expected.find("parts"); parts != expected.end()) {
        check_parts(*parts, parts_of(request), context);
    }
    if (const auto type = find_text(expected, "content_type")) {
        CHECK(request.headers.find("Content-Type") == type);
    }
    if (const auto json = expected.find("json"); json != expected.end()) {
        Value sent = Value::parse(request.body);
        check_context(text_or(sent, "context"), context);
        sent["context"] = json->at("context");  // a description, as it is of the parts
        CHECK(sent == *json);
    }
}

// --- what comes out ------------------------------------------------------------------------------------------------

struct Failure {
    ErrorCode code;
    std::string message;
    std::optional<int> status;
};
using Outcome = std::variant<std::string, bool, Failure>;

/// Text of the server as messages show it: one line of ASCII. Other JSON stands as it is written.
std::string as_shown(const Value& value) {
    const std::string text = value.is_null() ? "" : value.is_string() ? value.get<std::string>() : value.dump();
    std::string line;
    for (const char c : text) {
        const bool blank = c == ' ' || (c >= '\t' && c <= '\r');
        if (!blank) {
            line += c < ' ' || c > '~' ? '?' : c;
        } else if (!line.ends_with(' ')) {
            line += ' ';
        }
    }
    return std::string(trim(line));
}

bool is_transport_error(const std::string& type) {
    // V0 asks a connection error for its response while it builds, and so ends in an AttributeError.
    return type == "AttributeError" || type == "ConnectError" || type == "ReadError" || type == "WriteError" ||
           type == "RemoteProtocolError" || type.ends_with("Timeout");
}

/// The original's error as it is here. Where the original fails by a slip of its own (a KeyError, an AttributeError
/// while it looks at an error, tenacity's RetryError), ours is a clear one for the same situation.
void check_error(const Value& error, const Failure& failure) {
    require_known(error, {"type", "message", "status", "detail", "key"});
    const std::string type = text_or(error, "type");
    INFO(type << " became: " << failure.message);
    if (type == "AgentRuntimeBuildError") {
        // V0 reports "error": null as "None".
        const std::string message = as_shown(error.at("message"));
        CHECK_THAT(failure.message, Catch::Contains(message == "None" ? "Build failed with status: " : message));
    } else if (type == "RequestHTTPError") {
        CHECK(failure.status == error.at("status").get<int>());
        CHECK_THAT(failure.message, Catch::Contains(as_shown(error.at("detail"))));
    } else if (type == "RetryError") {
        CHECK(failure.status == 429);
    } else if (is_transport_error(type)) {
        CHECK(failure.code == ErrorCode::Unavailable);
        CHECK_FALSE(failure.status.has_value());
    } else if (type == "KeyError") {
        CHECK(failure.code == ErrorCode::Unavailable);
        CHECK_THAT(failure.message, Catch::Contains(text_or(error, "key")));
    } else if (type == "JSONDecodeError") {
        CHECK(failure.code == ErrorCode::Unavailable);
        CHECK_THAT(failure.message, Catch::Contains("JSON"));
    } else {
        FAIL("no rule for this error");
    }
}

/// V0 formats the time and size of an image that exists for its log, and fails when the server does not give them.
bool only_the_log_line_failed(const Value& one) {
    const auto error = one.at("expect").find("error");
    if (error == one.at("expect").end() || text_or(one, "call") != "image_exists") {
        return false;
    }
    return text_or(*error, "type") == "TypeError" ||
           (text_or(*error, "type") == "KeyError" && text_or(*error, "key") != "exists");
}

void check_outcome(const Value& one, const Outcome& outcome) {
    const Value& expect = one.at("expect");
    const auto* const failure = std::get_if<Failure>(&outcome);
    INFO((failure == nullptr ? "" : failure->message));
    if (only_the_log_line_failed(one)) {
        CHECK(std::get<bool>(outcome));
    } else if (const auto error = expect.find("error"); error != expect.end()) {
        REQUIRE(failure != nullptr);
        check_error(*error, *failure);
    } else if (text_or(one, "call") == "upload_and_build") {
        CHECK((failure == nullptr) == expect.at("result").get<bool>());  // the script says true or false
    } else if (expect.at("result").is_boolean()) {
        REQUIRE(failure == nullptr);
        CHECK(std::get<bool>(outcome) == expect.at("result").get<bool>());
    } else {
        REQUIRE(failure == nullptr);
        CHECK(std::get<std::string>(outcome) == text_or(expect, "result"));
    }
}

void check_sleeps(const Value& expected, const std::vector<NotedClock::Sleep>& sleeps) {
    const auto check = [](const Value& one, const NotedClock::Sleep& sleep) {
        require_known(one, {"where", "seconds"});
        CHECK(sleep.where == text_or(one, "where"));
        CHECK(sleep.seconds == one.at("seconds").get<double>());
    };
    if (expected.is_array()) {
        REQUIRE(sleeps.size() == expected.size());
        for (std::size_t i = 0; i < sleeps.size(); ++i) {
            check(expected.at(i), sleeps[i]);
        }
        return;
    }
    require_known(expected, {"count", "first", "total_seconds"});
    REQUIRE(sleeps.size() == expected.at("count").get<std::size_t>());
    check(expected.at("first"), sleeps.front());
    double total = 0;
    for (const NotedClock::Sleep& sleep : sleeps) {
        total += sleep.seconds;
    }
    CHECK(total == expected.at("total_seconds").get<double>());
}

// --- the clients ---------------------------------------------------------------------------------------------------

RemoteBuilderOptions options_for(const std::string& client, const std::string& base_url) {
    RemoteBuilderOptions options;
    options.api_key = Secret("key-1");
    if (client == "v0") {
        options.base_url = base_url;
        options.timings = RemoteBuilderTimings::v0();
        // The original means to pause after three 429, but it does not recognise the error that says so.
        options.timings->rate_limit_pause = std::chrono::milliseconds(0);
        return options;
    }
    options.base_url = base_url + "/";  // which the script strips
    options.dialect = client == "v1-script" ? RuntimeApiDialect::V1Script : RuntimeApiDialect::V1ScriptJson;
    REQUIRE((client == "v1-script" || client == "v1-script-json"));
    return options;
}

/// "agent-server-860c190-python.tar.gz" -> "860c190"
std::string short_sha_of(const Value& one) {
    constexpr std::string_view kBefore = "agent-server-";
    const std::string name = text_or(one, "output_filename");
    REQUIRE(name.starts_with(kBefore));
    return name.substr(kBefore.size(), name.find('-', kBefore.size()) - kBefore.size());
}

Outcome act(const Value& one, const RemoteBuilder& builder, const std::string& context, const Run& run) {
    const std::string call = text_or(one, "call");
    const auto file = std::make_shared<MemoryRanged>(context);
    if (call == "build") {
        return builder.build(file, texts(one.at("tags")), run);
    }
    if (call == "image_exists") {
        return builder.image_exists(text_or(one, "image"), run);
    }
    REQUIRE(call == "upload_and_build");
    const std::string prefix = text_or(one, "client") == "v1-script" ? builder.registry_prefix(run) : "";
    return builder.build(file, {agent_server_image(prefix, short_sha_of(one), text_or(one, "custom_tags"))}, run);
}

Outcome outcome_of(const Value& one, const RemoteBuilder& builder, const std::string& context, const Run& run) {
    try {
        return act(one, builder, context, run);
    } catch (const HttpError& error) {
        return Failure{error.code(), error.what(), error.status()};
    } catch (const Error& error) {
        return Failure{error.code(), error.what(), std::nullopt};
    }
}

void check_case(const Value& one, HttpClient& http) {
    require_known(
        one, {"id", "client", "call", "script", "tags", "image", "custom_tags", "output_filename", "note", "expect"});
    const Value& expect = one.at("expect");
    require_known(expect, {"result", "error", "requests", "requests_first", "request_count", "sleeps"});
    const std::string client = text_or(one, "client");
    const std::string context =
        make_context(client == "v0" ? std::vector<std::string>{".", "./Dockerfile", "./code", "./code/a.txt"}
                                    : std::vector<std::string>{"Dockerfile"});
    Script script(one.at("script"));
    NotedClock clock(script, client == "v0");
    testing::ScriptedServer server([&](const testing::ScriptedRequest&) { return script.next(); });
    const RemoteBuilder builder(http, options_for(client, server.url("/api")));
    Run run;
    run.clock = &clock;

    check_outcome(one, outcome_of(one, builder, context, run));
    check_sleeps(expect.at("sleeps"), clock.sleeps);
    const auto sent = server.requests();
    const bool all = expect.contains("requests");
    const Value& requests = expect.at(all ? "requests" : "requests_first");
    REQUIRE(sent.size() == (all ? requests.size() : expect.at("request_count").get<std::size_t>()));
    for (std::size_t i = 0; i < requests.size(); ++i) {
        check_request(requests.at(i), sent[i], context);
    }
}

}  // namespace

TEST_CASE("vectors: exchanges with the Runtime API", "[unit][build][vectors]") {
    const auto http = make_http_client({}, Environment(std::map<std::string, std::string, std::less<>>{}));
    for (const Value& one : testing::vectors("runtime_api.json")) {
        INFO(text_or(one, "id") << " " << text_or(one, "client") << " " << text_or(one, "call"));
        check_case(one, *http);
    }
}

}  // namespace cooper::build
