// A home with AWS files, a clock, and services that hand out credentials, as far as a test sets them up.
#pragma once

#include "cooper/base/files.hpp"

#include "s3/scene.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace cooper::s3::testing {

using Variables = std::map<std::string, std::string, std::less<>>;

/// The services that hand out credentials: answers by "METHOD URL" prefix, and keeps what was asked.
class Services final : public HttpClient {
public:
    struct Asked {
        std::string line;
        HttpRequest request;
        std::string body;
    };

    void answer(const std::string& prefix, int status, const std::string& body) { answers_[prefix] = {status, body}; }

    HttpResponse send(const HttpRequest& request, const Run& /*run*/) override {
        const std::string line = request.method + " " + request.url.text();
        const std::scoped_lock lock(mutex_);
        asked_.push_back({line, request, request.body ? read_all(*request.body->open(), 100'000, "it") : ""});
        for (auto at = answers_.rbegin(); at != answers_.rend(); ++at) {  // the longest prefix first
            if (line.starts_with(at->first)) {
                HttpResponse response;
                response.status = at->second.first;
                response.body = MemoryRanged(at->second.second).open();
                return response;
            }
        }
        throw Error(ErrorCode::Unavailable, request.url.redacted() + ": no route to host");
    }

    [[nodiscard]] std::vector<Asked> asked() const {
        const std::scoped_lock lock(mutex_);
        return asked_;
    }
    [[nodiscard]] std::size_t count(const std::string& prefix) const {
        const auto all = asked();
        return static_cast<std::size_t>(
            std::count_if(all.begin(), all.end(), [&](const Asked& one) { return one.line.starts_with(prefix); }));
    }

private:
    mutable std::mutex mutex_;
    std::map<std::string, std::pair<int, std::string>> answers_;
    std::vector<Asked> asked_;
};

/// A home of its own with AWS files, a clock, and services.
struct Place {
    void config(const std::string& text) { write_file(home.path() / ".aws/config", text); }
    void credentials(const std::string& text) { write_file(home.path() / ".aws/credentials", text); }

    Place() { std::filesystem::create_directories(home.path() / ".aws/sso/cache"); }

    std::unique_ptr<CredentialsProvider> chain(Variables variables = {}, CredentialsOptions options = {}) {
        variables.try_emplace("HOME", home.path().string());
        variables.try_emplace("PATH", "/usr/bin:/bin");
        variables.try_emplace("AWS_EC2_METADATA_DISABLED", "true");
        return make_credentials_chain(services, Environment(std::move(variables)), std::move(options));
    }
    [[nodiscard]] std::string time(std::chrono::seconds from_now) const {
        return format_rfc3339(clock.now_seconds() + from_now);
    }

    TempDirectory home;
    FakeClock clock;
    Notices notices;
    Run run{{}, &clock, &notices};
    Services services;
};

inline std::string sts_answer(const std::string& action, const std::string& id, const std::string& expiration) {
    return "<" + action + "Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><" + action +
           "Result><Credentials><AccessKeyId>" + id +
           "</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey><SessionToken>role/token+=</"
           "SessionToken><Expiration>" +
           expiration + "</Expiration></Credentials></" + action + "Result></" + action + "Response>";
}

inline std::string session_json(const std::string& id, const std::string& expiration) {
    return R"({"Code":"Success","AccessKeyId":")" + id + R"(","SecretAccessKey":"s","Token":"t","Expiration":")" +
           expiration + "\"}";
}

}  // namespace cooper::s3::testing
