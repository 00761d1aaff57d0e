#include "cooper/s3/credentials.hpp"

#include "cooper/base/error.hpp"

#include "s3/providers.hpp"

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <random>
#include <utility>
#include <vector>

namespace cooper::s3 {

namespace {

// botocore: try to refresh from 15 minutes before the end, insist from 10 minutes before it; sooner for short sessions.
constexpr std::chrono::seconds kRefreshSoon = std::chrono::minutes(15);
constexpr std::chrono::seconds kRefreshNow = std::chrono::minutes(10);
// After a refresh that failed or gave the same session again.
constexpr std::chrono::seconds kPause = std::chrono::minutes(1);

class Fixed final : public CredentialsProvider {
public:
    explicit Fixed(Credentials credentials) : credentials_(std::move(credentials)) {}
    Credentials get(const Run& /*run*/) override { return credentials_; }

private:
    Credentials credentials_;
};

/// The places in order; the first that has credentials is kept for refreshing. Used by one thread at a time.
class Search {
public:
    Search(HttpClient& http, const Environment& environment, CredentialsOptions options)
        : http_(http), environment_(environment), options_(std::move(options)) {}

    Credentials find(const Run& run) {
        if (!context_) {
            open();
        }
        if (options_.role_arn.empty()) {
            return search(run);
        }
        for (const auto& exchange : {find_github, find_web_identity}) {
            if (Found found = exchange(*context_, options_.role_arn, run); found.credentials) {
                return *found.credentials;
            }
        }
        return in_context("taking the role " + options_.role_arn, [&] {
            RoleRequest request;
            request.role_arn = options_.role_arn;
            request.session_name = default_session_name(*context_, run);
            return assume_role(*context_, search(run), request, run);
        });
    }

private:
    struct Place {
        std::string name;
        std::function<Found(const Run&)> find;
    };

    void open() {
        Profiles profiles = Profiles::load(environment_);
        const std::string profile = profile_name(environment_, options_.profile);
        const std::string region = !options_.region.empty()
                                       ? options_.region
                                       : configured_region(environment_, profiles, profile).value_or("us-east-1");
        if (profile != "default" && !profiles.has(profile)) {
            throw Error(ErrorCode::InvalidInput,
                        "there is no AWS profile " + profile + " in ~/.aws/config or ~/.aws/credentials");
        }
        context_.emplace(
            ProviderContext{http_, environment_, std::move(profiles), profile, !options_.profile.empty(), region});
        add_places();
    }

    void add_places() {
        const ProviderContext& context = *context_;
        const std::string& profile = context.profile;
        const std::string of_profile = "profile " + profile;
        if (!context
                 .profile_by_flag) {  // a profile that was asked for goes before what happens to be in the environment
            add("environment", [&](const Run&) { return find_environment(context); });
        }
        add(of_profile + ": role", [&](const Run& run) { return find_profile_role(context, profile, {}, run); });
        add("web identity", [&](const Run& run) { return find_web_identity(context, "", run); });
        add("GitHub Actions", [&](const Run& run) { return find_github(context, "", run); });
        add(of_profile + ": SSO", [&](const Run& run) { return find_sso(context, profile, run); });
        add(of_profile + ": credentials file", [&](const Run&) { return find_credentials_file(context, profile); });
        add(of_profile + ": console login", [&](const Run&) { return find_login_session(context, profile); });
        add(of_profile + ": process", [&](const Run& run) { return find_process(context, profile, run); });
        add(of_profile + ": config file", [&](const Run&) { return find_config_file(context, profile); });
        add("container", [&](const Run& run) { return find_container(context, run); });
        add(std::string(kInstanceOrigin), [&](const Run& run) { return find_instance(context, run); });
    }

    void add(std::string name, std::function<Found(const Run&)> find) {
        places_.push_back({std::move(name), std::move(find)});
    }

    Credentials search(const Run& run) {
        if (chosen_ != nullptr) {
            if (Found found = chosen_->find(run); found.credentials) {
                return *found.credentials;
            }
        }
        std::string tried;
        for (const Place& place : places_) {
            Found found = place.find(run);
            if (found.credentials) {
                chosen_ = &place;
                return *found.credentials;
            }
            tried += (tried.empty() ? "" : "; ") + place.name + ": " + found.reason;
        }
        throw Error(ErrorCode::AccessDenied, "no AWS credentials found (" + tried + ")").advise(advice());
    }

    [[nodiscard]] std::string advice() const {
        if (environment_.get("GITHUB_ACTIONS") && !environment_.get("ACTIONS_ID_TOKEN_REQUEST_URL")) {
            return "give the job \"permissions: id-token: write\" and name a role, or set AWS_ACCESS_KEY_ID and "
                   "AWS_SECRET_ACCESS_KEY";
        }
        return "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or choose a profile with --profile";
    }

    HttpClient& http_;
    Environment environment_;
    CredentialsOptions options_;
    std::optional<ProviderContext> context_;
    std::vector<Place> places_;
    const Place* chosen_ = nullptr;
};

/// Keeps what the search found, and searches again in time: one thread does, the others go on while they can.
class Refreshing final : public CredentialsProvider {
public:
    Refreshing(HttpClient& http, const Environment& environment, CredentialsOptions options)
        : search_(http, environment, std::move(options)) {}

    Credentials get(const Run& run) override {
        std::unique_lock lock(mutex_);
        for (;;) {
            const Need need = need_at(run.clock->now_seconds());
            if (need == Need::Nothing || (need == Need::Soon && searching_)) {
                return *current_;
            }
            if (!searching_) {
                break;
            }
            if (!changed_.wait(lock, run.stop, [this] { return !searching_; })) {
                throw Cancelled();
            }
        }
        searching_ = true;
        lock.unlock();
        std::optional<Credentials> fresh;
        std::exception_ptr failure;
        try {
            fresh = search_.find(run);
        } catch (...) {
            failure = std::current_exception();
        }
        lock.lock();
        searching_ = false;
        changed_.notify_all();
        if (failure) {
            keep_or_throw(failure, run);
        } else {
            keep(std::move(*fresh), run.clock->now_seconds());
        }
        return *current_;
    }

    void invalidate() override {
        const std::scoped_lock lock(mutex_);
        rejected_ = true;
    }

private:
    enum class Need { Nothing, Soon, Now };

    [[nodiscard]] Need need_at(TimePoint now) const {
        if (!current_ || rejected_) {
            return Need::Now;
        }
        if (!current_->expires || now < next_try_) {
            return Need::Nothing;
        }
        const std::chrono::seconds left = *current_->expires - now;
        if (left <= std::min(kRefreshNow, lifetime_ / 3)) {
            return Need::Now;
        }
        return left <= std::min(kRefreshSoon, lifetime_ / 2) ? Need::Soon : Need::Nothing;
    }

    void keep(Credentials fresh, TimePoint now) {
        const bool same = current_ && !rejected_ && current_->expires == fresh.expires;
        const bool ended = fresh.expires && *fresh.expires <= now;
        const bool from_instance = fresh.origin.starts_with(kInstanceOrigin);
        if (ended && !from_instance) {
            throw Error(ErrorCode::AccessDenied,
                        "the credentials from " + fresh.origin + " ended at " + format_rfc3339(*fresh.expires))
                .advise("get new credentials");
        }
        lifetime_ = fresh.expires ? *fresh.expires - now : std::chrono::seconds(0);
        next_try_ = now;
        if (ended) {
            next_try_ = now + instance_outage_pause();
        } else if (same) {
            next_try_ = now + kPause;
        }
        rejected_ = false;
        current_ = std::move(fresh);
    }

    /// A refresh that fails is an error only when nothing valid is left.
    void keep_or_throw(const std::exception_ptr& failure, const Run& run) {
        const TimePoint now = run.clock->now_seconds();
        try {
            std::rethrow_exception(failure);
        } catch (const Error& error) {
            if (!current_ || rejected_ || !current_->expires || *current_->expires <= now) {
                throw;
            }
            next_try_ = now + kPause;
            run.progress->notice(
                NoticeLevel::Warning,
                std::string("could not refresh the AWS credentials, going on with the old ones: ") + error.what());
        }
    }

    /// When instance metadata cannot renew, it hands out ended keys that AWS still accepts: ask again after a while,
    /// not all at once (botocore: 15 minutes and 2 to 10 more).
    static std::chrono::seconds instance_outage_pause() {
        std::random_device device;
        return std::chrono::minutes(15) + std::chrono::seconds(std::uniform_int_distribution<int>(120, 600)(device));
    }

    Search search_;  // used by the thread that set searching_
    std::mutex mutex_;
    std::condition_variable_any changed_;
    bool searching_ = false;
    bool rejected_ = false;
    std::optional<Credentials> current_;
    std::chrono::seconds lifetime_{0};
    TimePoint next_try_;
};

}  // namespace

std::unique_ptr<CredentialsProvider> make_credentials_chain(HttpClient& http, const Environment& environment,
                                                            CredentialsOptions options) {
    return std::make_unique<Refreshing>(http, environment, std::move(options));
}

std::unique_ptr<CredentialsProvider> make_fixed_credentials(Credentials credentials) {
    return std::make_unique<Fixed>(std::move(credentials));
}

}  // namespace cooper::s3
