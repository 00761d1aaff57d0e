#include "cooper/build/remote_builder.hpp"

#include "cooper/base/text.hpp"

#include "base/reported_ranged.hpp"
#include "build/remote/remote_builder_body.hpp"
#include "build/remote/remote_builder_exchange.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <array>

namespace cooper::build {

namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using Instant = std::chrono::system_clock::time_point;

constexpr std::string_view kUploadTask = "build context";
constexpr const char* kStart = "POST /build";
constexpr const char* kPoll = "GET /build_status";
constexpr auto kLongestTiming = std::chrono::hours(24 * 365);  // keeps sums of times far from their limits

enum class Stage : std::uint8_t { Waiting, Done, Failed, Unknown };

Stage stage_of(std::string_view status, RuntimeApiDialect dialect) {
    if (dialect == RuntimeApiDialect::V1ScriptJson) {
        const bool waiting = status == "pending" || status == "running";
        return waiting                 ? Stage::Waiting
               : status == "completed" ? Stage::Done
               : status == "failed"    ? Stage::Failed
                                       : Stage::Unknown;
    }
    constexpr std::array<std::string_view, 5> kFailures = {"FAILURE", "INTERNAL_ERROR", "TIMEOUT", "CANCELLED",
                                                           "EXPIRED"};
    if (status == "SUCCESS") {
        return Stage::Done;
    }
    return std::find(kFailures.begin(), kFailures.end(), status) != kFailures.end() ? Stage::Failed : Stage::Waiting;
}

RemoteBuilderTimings checked(const RemoteBuilderTimings& timings) {
    const std::array<milliseconds, 4> needed = {timings.poll_interval, timings.limit, timings.upload_stall,
                                                timings.request_stall};
    const bool sound =
        std::all_of(needed.begin(), needed.end(),
                    [](milliseconds time) { return time > milliseconds(0) && time <= kLongestTiming; }) &&
        timings.polls >= 0 && timings.rate_limit_tries >= 1 && timings.rate_limit_pause >= milliseconds(0) &&
        timings.rate_limit_pause <= kLongestTiming;
    if (!sound) {
        throw Error(ErrorCode::InvalidInput,
                    "the remote builder's timings make no sense: times must be above zero and "
                    "at most a year, and a request is tried at least once");
    }
    return timings;
}

void check_names(const std::vector<std::string>& names, RuntimeApiDialect dialect) {
    if (names.empty()) {
        throw Error(ErrorCode::InvalidInput, "no name was given for the image to be built");
    }
    for (const std::string& name : names) {
        if (!is_plain_name(name)) {
            throw Error(ErrorCode::InvalidInput, "'" + oci::printable(name) +
                                                     "' is no name for an image: it is empty, "
                                                     "too long or holds control characters");
        }
    }
    if (dialect == RuntimeApiDialect::V1ScriptJson && names.size() > 1) {
        throw Error(ErrorCode::InvalidInput, std::to_string(names.size()) +
                                                 " names were given, but the JSON form of a "
                                                 "build request has room for one")
            .advise("use one of the dialects that send a form");
    }
}

void check_context(const Ranged& context) {
    constexpr std::array<std::byte, 2> kGzip = {std::byte{0x1f}, std::byte{0x8b}};
    std::array<std::byte, 2> begin{};
    const auto source = context.open(0, std::min<std::uint64_t>(begin.size(), context.size()));
    if (read_full(*source, begin) != begin.size() || begin != kGzip) {
        throw Error(ErrorCode::InvalidInput, "the build context does not begin as gzip does")
            .advise(
                "the Runtime API takes a gzip-compressed tar, as `tar -czf context.tar.gz -C DIRECTORY .` makes it");
    }
}

/// V0 writes whatever it was given into the next request; strings and whole numbers are what can be meant.
std::string build_id_of(const json::Value& document, const RuntimeApi& api) {
    const json::Value* id = json::find_member(document, "build_id");
    if (id == nullptr) {
        throw strange_answer(kStart, "it has no build_id");
    }
    if (id->is_number_integer()) {
        return json::write(*id);
    }
    if (!id->is_string() || !api.is_name(id->get_ref<const std::string&>())) {
        throw strange_answer(kStart, "its build_id is neither a short text nor a whole number");
    }
    return id->get<std::string>();
}

}  // namespace

RemoteBuilderTimings RemoteBuilderTimings::v0() {
    return {.poll_interval = seconds(30),
            .limit = minutes(30),
            .polls = 0,
            .rate_limit_tries = 3,
            .rate_limit_pause = seconds(30),
            .upload_stall = seconds(30),
            .request_stall = seconds(10)};
}

RemoteBuilderTimings RemoteBuilderTimings::v1_script() {
    return {.poll_interval = seconds(10),
            .limit = std::chrono::hours(1),
            .polls = 60,
            .rate_limit_tries = 1,
            .rate_limit_pause = seconds(0),
            .upload_stall = seconds(300),
            .request_stall = seconds(30)};
}

RemoteBuilderTimings RemoteBuilderTimings::of(RuntimeApiDialect dialect) {
    return dialect == RuntimeApiDialect::V0 ? v0() : v1_script();
}

RemoteBuildError::RemoteBuildError(const std::string& message, std::string build_id, std::string status)
    : Error(ErrorCode::CommandFailed, message), build_id_(std::move(build_id)), status_(std::move(status)) {}
RemoteBuildError::~RemoteBuildError() = default;

struct RemoteBuilder::State {
    RuntimeApiDialect dialect;
    RemoteBuilderTimings timings;
    RuntimeApi api;

    struct Poll {
        std::optional<json::Value> document;  ///< nullopt: the question failed in a way that the next one may not
        milliseconds retry_after{0};
    };

    [[nodiscard]] std::string start(const std::shared_ptr<const Ranged>& context, const std::vector<std::string>& names,
                                    const Run& run) const;
    [[nodiscard]] std::string wait_for(const std::string& id, const std::string& name, const Run& run) const;
    [[nodiscard]] Poll poll(const std::string& id, Instant deadline, const Run& run) const;
    [[nodiscard]] HttpRequest status_request(const std::string& id) const;
    [[nodiscard]] std::string status_of(const json::Value& document) const;
    [[nodiscard]] std::string image_of(const json::Value& document, const std::string& name) const;
    [[noreturn]] void fail(const json::Value& document, const std::string& id, const std::string& status) const;
    [[noreturn]] void fail_unknown(const std::string& status) const;

    [[nodiscard]] bool is_script() const noexcept { return dialect != RuntimeApiDialect::V0; }
    /// V0 takes nothing but 200 for an answer, though it raises no error for other successes.
    void require_ok(const RuntimeApiAnswer& answer, const std::string& failure) const;
};

void RemoteBuilder::State::require_ok(const RuntimeApiAnswer& answer, const std::string& failure) const {
    if (!is_script() && answer.status != 200) {
        throw HttpError(
            ErrorCode::Unavailable,
            failure + ": " + api.said(answer.body) + " (" + std::to_string(answer.status) + " instead of 200)",
            answer.status, "");
    }
}

std::string RemoteBuilder::State::start(const std::shared_ptr<const Ranged>& context,
                                        const std::vector<std::string>& names, const Run& run) const {
    const bool as_json = dialect == RuntimeApiDialect::V1ScriptJson;
    const BuildBody form = as_json ? json_body(context, names.front()) : multipart_body(context, names);
    const auto body = std::make_shared<ReportedRanged>(form.body, std::string(kUploadTask), *run.progress);
    const RuntimeApi::Patience patience{run.clock->now() + timings.limit, true};
    run.progress->begin(kUploadTask, body->size());
    const RuntimeApiAnswer answer = api.ask(api.post("/build", form.content_type, body), kStart, patience, run);
    run.progress->end(kUploadTask);
    return build_id_of(RuntimeApi::document(answer, kStart), api);
}

HttpRequest RemoteBuilder::State::status_request(const std::string& id) const {
    const std::string encoded = percent_encode(id);
    return dialect == RuntimeApiDialect::V1ScriptJson ? api.get("/build_status/" + encoded)
                                                      : api.get("/build_status", "build_id=" + encoded);
}

RemoteBuilder::State::Poll RemoteBuilder::State::poll(const std::string& id, Instant deadline, const Run& run) const {
    RuntimeApiAnswer answer;
    try {
        answer = api.send(status_request(id), {deadline, true}, run);
        if (!answer.success()) {
            api.refuse(answer, kPoll);
        }
    } catch (const Error& error) {
        // A certificate that is not trusted now will not be in ten seconds; a status that the server refuses may be.
        const bool may_pass = answer.status != 0 || error.code() == ErrorCode::Unavailable;
        if (!is_script() || !may_pass) {
            throw;
        }
        run.progress->notice(NoticeLevel::Warning, "build " + api.said(id) + ": " + error.what() + "; asking again");
        return {std::nullopt, answer.retry_after.value_or(milliseconds(0))};
    }
    require_ok(answer, "Failed to get build status");
    return {RuntimeApi::document(answer, kPoll), answer.retry_after.value_or(milliseconds(0))};
}

std::string RemoteBuilder::State::status_of(const json::Value& document) const {
    const json::Value* status = json::find_member(document, "status");
    if (status == nullptr && !is_script()) {
        throw strange_answer(kPoll, "it has no status");
    }
    if (status == nullptr) {
        return "unknown";
    }
    return status->is_string() ? status->get<std::string>() : json::write(*status);
}

std::string RemoteBuilder::State::image_of(const json::Value& document, const std::string& name) const {
    const json::Value* image = json::find_member(document, "image");
    const bool absent = image == nullptr || image->is_null();
    if (absent && is_script()) {
        return name;
    }
    if (absent || !image->is_string() || !api.is_name(image->get_ref<const std::string&>())) {
        throw strange_answer(kPoll, "the build is done, but its image is not named");
    }
    return image->get<std::string>();
}

void RemoteBuilder::State::fail(const json::Value& document, const std::string& id, const std::string& status) const {
    const json::Value* error = json::find_member(document, "error");
    const std::string text = error == nullptr || error->is_null() ? "" : api.said_value(*error);
    throw RemoteBuildError(text.empty() ? "Build failed with status: " + status + ". Build ID: " + api.said(id)
                                        : "ended with " + status + ": " + text,
                           id, status);
}

void RemoteBuilder::State::fail_unknown(const std::string& status) const {
    Error error(ErrorCode::Unsupported,
                "its status is '" + api.said(status) + "', a word that this dialect does not know");
    error.advise("a server that says SUCCESS, FAILURE or RUNNING speaks one of the dialects that send a form");
    throw error;
}

std::string RemoteBuilder::State::wait_for(const std::string& id, const std::string& name, const Run& run) const {
    const Instant began = run.clock->now();
    const Instant deadline = began + timings.limit;
    std::string last = "not known";
    for (int polls = 0; run.clock->now() <= deadline && (timings.polls == 0 || polls < timings.polls); ++polls) {
        const Poll answer = poll(id, deadline, run);
        if (answer.document) {
            const std::string status = status_of(*answer.document);
            switch (stage_of(status, dialect)) {
                case Stage::Done:
                    return image_of(*answer.document, name);
                case Stage::Failed:
                    fail(*answer.document, id, status);
                case Stage::Unknown:
                    fail_unknown(status);
                case Stage::Waiting:
                    break;
            }
            if (std::string shown = api.said(status); shown != last) {
                last = std::move(shown);
                run.progress->notice(NoticeLevel::Info, "build " + api.said(id) + ": " + last);
            }
        }
        const auto left = std::max(milliseconds(0), std::chrono::floor<milliseconds>(deadline - run.clock->now()));
        run.clock->sleep_for(std::max(timings.poll_interval, std::min(answer.retry_after, left)), run.stop);
    }
    const auto waited =
        std::chrono::floor<minutes>(std::min<Instant::duration>(run.clock->now() - began, timings.limit));
    Error error(ErrorCode::Unavailable,
                "Build timed out after " + std::to_string(waited.count()) + " minutes; its status is " + last);
    error.advise("the server may still be at it: look for the image before building once more");
    throw error;
}

RemoteBuilder::RemoteBuilder(HttpClient& http, const RemoteBuilderOptions& options) {
    const RemoteBuilderTimings timings = checked(options.timings.value_or(RemoteBuilderTimings::of(options.dialect)));
    state_ = std::make_unique<const State>(State{options.dialect, timings, RuntimeApi(http, options, timings)});
}

RemoteBuilder::~RemoteBuilder() = default;

std::string RemoteBuilder::registry_prefix(const Run& run) const {
    const RuntimeApi& api = state_->api;
    const std::string what = "GET /registry_prefix";
    return in_context("Runtime API " + api.address(), [&] {
        const json::Value document = RuntimeApi::document(api.ask(api.get("/registry_prefix"), what, run), what);
        const json::Value* prefix = json::find_member(document, "registry_prefix");
        if (prefix == nullptr || !prefix->is_string() || !api.is_name(prefix->get_ref<const std::string&>())) {
            throw strange_answer(what, "it names no registry_prefix");
        }
        return prefix->get<std::string>();
    });
}

std::string RemoteBuilder::build(const std::shared_ptr<const Ranged>& context, const std::vector<std::string>& names,
                                 const Run& run) const {
    check_names(names, state_->dialect);
    check_context(*context);
    const RuntimeApi& api = state_->api;
    return in_context("Runtime API " + api.address() + ": building " + oci::printable(names.front()), [&] {
        const std::string id = state_->start(context, names, run);
        return in_context("build " + api.said(id), [&] { return state_->wait_for(id, names.front(), run); });
    });
}

bool RemoteBuilder::image_exists(const std::string& image, const Run& run) const {
    check_names({image}, state_->dialect);
    const RuntimeApi& api = state_->api;
    const std::string what = "GET /image_exists";
    return in_context("Runtime API " + api.address() + ": looking for " + oci::printable(image), [&] {
        const RuntimeApiAnswer answer = api.ask(api.get("/image_exists", "image=" + percent_encode(image)), what, run);
        state_->require_ok(answer, "Failed to check image existence");
        const json::Value document = RuntimeApi::document(answer, what);
        const json::Value* exists = json::find_member(document, "exists");
        if (exists == nullptr || !exists->is_boolean()) {
            throw strange_answer(what, "it does not say whether the image exists");
        }
        return exists->get<bool>();
    });
}

bool RemoteLookup::exists(const std::string& image, bool /*pull*/, const Run& run) {
    return builder_.image_exists(image, run);
}

std::string runtime_repository(std::string_view registry_prefix) {
    while (registry_prefix.ends_with('/')) {
        registry_prefix.remove_suffix(1);
    }
    return std::string(registry_prefix) + "/runtime";
}

std::string agent_server_image(std::string_view registry_prefix, std::string_view short_sha,
                               std::string_view custom_tags) {
    return std::string(registry_prefix) + (registry_prefix.empty() ? "" : "/") +
           "agent-server:" + std::string(short_sha) + "-" + std::string(split(custom_tags, ',').front());
}

}  // namespace cooper::build
