#include "cooper/base/text.hpp"
#include "cooper/oci/engine.hpp"

#include "base/json.hpp"
#include "base/reported_ranged.hpp"
#include "oci/engine/answer_stream.hpp"
#include "oci/engine/build_failure.hpp"
#include "oci/engine/build_output.hpp"
#include "oci/engine/engine_state.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <functional>
#include <limits>
#include <set>
#include <thread>

namespace cooper::oci {

namespace {

using std::chrono::milliseconds;

constexpr const char* kContextTask = "build context";
/// Beyond this the connection is taken for dead: no step is silent for so long.
constexpr auto kLongestSilence = std::chrono::hours(24);
/// A build prints what it likes and nothing of it is kept: only each answer has a limit.
constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

using Pairs = std::vector<std::pair<std::string, std::string>>;

std::string json_of(const Pairs& pairs, std::string_view what) {
    json::Value document = json::Value::object();
    for (const auto& [name, value] : pairs) {
        if (name.empty() || !is_valid_utf8(name) || !is_valid_utf8(value)) {
            throw Error(ErrorCode::InvalidInput,
                        "the " + std::string(what) + " '" + printable(name) + "' has no name, or is not UTF-8 text");
        }
        document[name] = value;
    }
    return json::write(document);
}

std::string query_of(const EngineBuild& request) {
    std::string query = "dockerfile=" + percent_encode(request.dockerfile) + "&rm=1&forcerm=1";
    const auto add = [&](std::string_view name, const std::string& value) {
        if (!value.empty()) {
            query.append("&").append(name).append("=").append(percent_encode(value));
        }
    };
    add("buildargs", request.args.empty() ? "" : json_of(request.args, "build argument"));
    add("labels", request.labels.empty() ? "" : json_of(request.labels, "label"));
    add("target", request.target);
    add("platform", request.platform ? request.platform->text() : "");
    add("pull", request.pull ? "1" : "");
    add("nocache", request.no_cache ? "1" : "");
    return query;
}

/// X-Registry-Config: {"HOST": {"username", "password"}} in base64url (Engine API, "Build an image"). The Hub has the
/// name that docker login gives it.
std::string registry_config(const std::vector<std::pair<std::string, RegistryCredentials>>& credentials) {
    json::Value document = json::Value::object();
    for (const auto& [domain, found] : credentials) {
        json::Value entry = json::Value::object();
        if (!found.identity_token.empty()) {
            entry["identitytoken"] = found.identity_token.reveal();
        } else if (!found.registry_token.empty()) {
            entry["registrytoken"] = found.registry_token.reveal();
        } else {
            entry["username"] = found.username;
            entry["password"] = found.password.reveal();
        }
        document[domain == "docker.io" ? "https://index.docker.io/v1/" : domain] = std::move(entry);
    }
    std::string text = to_base64(as_bytes(json::write(document)));
    std::replace(text.begin(), text.end(), '+', '-');
    std::replace(text.begin(), text.end(), '/', '_');
    return text;
}

/// Stops a run when its user does, or after a while.
class TimeLimit {
public:
    TimeLimit(milliseconds limit, const Run& run)
        : user_(run.stop), forward_(run.stop, [this] { stop_.request_stop(); }) {
        if (limit > milliseconds(0)) {
            timer_ = std::jthread([this, limit, clock = run.clock](const std::stop_token& over) {
                try {
                    clock->sleep_for(limit, over);
                    stop_.request_stop();
                } catch (const Cancelled&) {
                    return;  // the build ended before
                }
            });
        }
    }
    TimeLimit(const TimeLimit&) = delete;
    TimeLimit& operator=(const TimeLimit&) = delete;
    ~TimeLimit() = default;

    [[nodiscard]] std::stop_token token() const { return stop_.get_token(); }
    [[nodiscard]] bool ran_out() const { return stop_.stop_requested() && !user_.stop_requested(); }

private:
    std::stop_token user_;
    std::stop_source stop_;
    std::stop_callback<std::function<void()>> forward_;
    std::jthread timer_;  // last: it uses stop_
};

/// Layers that the engine pulls for a FROM, as tasks.
class PullProgress {
public:
    explicit PullProgress(Progress& progress) : progress_(progress) {}
    PullProgress(const PullProgress&) = delete;
    PullProgress& operator=(const PullProgress&) = delete;
    ~PullProgress() {
        for (const std::string& task : tasks_) {
            progress_.end(task);
        }
    }

    void take(const EngineAnswer& answer) {
        constexpr std::size_t kMaxTasks = 1000;
        const std::string task = "pulling " + printable(answer.id);
        if (answer.status == "Downloading" && answer.total > 0) {
            if (tasks_.size() < kMaxTasks && tasks_.insert(task).second) {
                progress_.begin(task, answer.total);
            }
            progress_.advance(task, answer.done);
        } else if (answer.done == 0 && answer.status != "Waiting" && tasks_.erase(task) > 0) {
            progress_.end(task);
        }
    }

private:
    Progress& progress_;
    std::set<std::string> tasks_;
};

/// What came of the stream of answers.
struct BuildAnswers {
    std::string image_id;  ///< of the last stage that was built; empty: the engine does not tell (before API 1.29)
    std::string built;     ///< short; empty: the build did not come to its end
};

BuildAnswers read_build_answers(Source& body, const EngineBuild& request, const std::string& engine, const Run& run) {
    const SecretMask mask(request.secrets);
    BuildOutput output(mask, request.on_line);
    PullProgress pulls(*run.progress);
    BuildAnswers found;
    const auto take = [&](const EngineAnswer& answer) {
        output.feed(answer.text);
        if (answer.counts) {
            pulls.take(answer);
        } else if (!answer.status.empty()) {
            output.line((answer.id.empty() ? "" : answer.id + ": ") + answer.status);
        }
        if (!answer.image_id.empty()) {
            found.image_id = answer.image_id;
        }
    };
    AnswerStream answers(take, kNoLimit);
    answers.feed_all(body);
    output.finish();
    if (!answers.raw_failure().empty()) {
        throw build_error(engine, output.step(), shown_words(answers.raw_failure(), mask), output.step_output());
    }
    found.built = output.built();
    return found;
}

/// The ID that the engine has told in full or in short.
std::string id_of(const BuildAnswers& answers, const std::string& engine) {
    const std::string_view short_id =
        std::string_view(answers.built).substr(answers.built.starts_with("sha256:") ? 7 : 0);
    const std::string& id = answers.image_id.empty() ? answers.built : answers.image_id;
    if (short_id.empty() || !is_image_id(id) || id.find(short_id) == std::string::npos) {
        Error error(ErrorCode::Unavailable, engine + " ended its answer before the build was done");
        error.advise("Was it stopped or restarted? Its log says more: journalctl -u docker, or journalctl -u podman.");
        throw error;
    }
    return id;
}

void check_platform(const Platform& wanted, const EngineImage& built, const std::string& engine) {
    const std::vector<Platform> good = acceptable(wanted.normalised());
    if (std::find(good.begin(), good.end(), built.platform) != good.end()) {
        return;
    }
    Error error(ErrorCode::Unsupported, engine + " built an image for " + printable(built.platform.text()) +
                                            ", not for " + wanted.text() + " as it was asked");
    error.advise("It builds on the base images that it has, whatever their platform: docker pull --platform " +
                 wanted.text() + " BASE gets the right ones; and it needs emulation (binfmt) to run their programs.");
    throw error;
}

}  // namespace

EngineBuildError::EngineBuildError(ErrorCode code, const std::string& message, std::string step,
                                   std::vector<std::string> output)
    : Error(code, message), step_(std::move(step)), output_(std::move(output)) {}
EngineBuildError::~EngineBuildError() = default;

HttpResponse EngineClient::State::send_build(const EngineBuild& request, const Run& run) {
    Call call;
    call.method = "POST";
    call.path = "/build";
    call.query = query_of(request);
    call.body = std::make_shared<ReportedRanged>(request.context, kContextTask, *run.progress);
    call.longest_silence = request.limit > milliseconds(0) ? request.limit : kLongestSilence;
    if (!request.credentials.empty()) {
        call.headers.add("X-Registry-Config", registry_config(request.credentials));
    }
    run.progress->begin(kContextTask, request.context->size());
    HttpResponse response = send(call, run);
    run.progress->end(kContextTask);
    if (response.status == 200) {
        return response;
    }
    try {
        refuse(response, "building");
    } catch (HttpError& error) {
        const std::string masked = SecretMask(request.secrets).masked(error.what());
        HttpError shown(error.code(), masked, error.status(), error.server_code());
        shown.advise(error.status() >= 500
                         ? "Is the context a whole tar with a Dockerfile in it? The engine's log says "
                           "more."
                         : advice_for_build(masked));
        throw shown;
    }
}

std::string EngineClient::build(const EngineBuild& request, const Run& run) {
    const TimeLimit limit(request.limit, run);
    const Run limited = run.with_stop(limit.token());
    try {
        HttpResponse response = state_->send_build(request, limited);
        const BuildAnswers answers = read_build_answers(*response.body, request, state_->name(), limited);
        const std::string id = id_of(answers, state_->name());
        const auto image = find(id, limited);
        if (!image) {
            throw Error(ErrorCode::Unavailable, state_->name() + " says that it built " + id + " and does not have it");
        }
        if (request.platform) {
            check_platform(*request.platform, *image, state_->name());
        }
        return image->id;
    } catch (const Cancelled&) {
        if (!limit.ran_out()) {
            throw;
        }
        throw Error(ErrorCode::Unavailable,
                    state_->name() + " was not done with the build after " +
                        format_duration(std::chrono::ceil<std::chrono::seconds>(request.limit)));
    }
}

}  // namespace cooper::oci
