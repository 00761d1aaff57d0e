// A bucket of the fake store, a clock that stands still, and the notices that were given.
#pragma once

#include "cooper/s3/bucket.hpp"

#include "support/fake_clock.hpp"
#include "support/fake_s3.hpp"

#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace cooper::s3::testing {

using cooper::testing::FakeClock;
using cooper::testing::FakeS3;
using cooper::testing::FakeS3Options;
using cooper::testing::S3Fault;

class Notices final : public Progress {
public:
    void notice(NoticeLevel /*level*/, std::string_view text) noexcept override {
        const std::scoped_lock lock(mutex_);
        all_.emplace_back(text);
    }
    [[nodiscard]] std::vector<std::string> all() const {
        const std::scoped_lock lock(mutex_);
        return all_;
    }

private:
    mutable std::mutex mutex_;
    std::vector<std::string> all_;
};

inline Credentials fake_credentials() {
    const FakeS3Options options;
    return {options.access_key, Secret(options.secret_key), Secret(), std::nullopt, "test"};
}

inline Settings fake_settings() {
    Settings settings;
    settings.endpoint = "http://127.0.0.1:9000";
    return settings;
}

struct Scene {
    explicit Scene(FakeS3Options options = {}, Settings settings = fake_settings(),
                   Credentials credentials = fake_credentials())
        : store(with_clock(std::move(options), clock)),
          http(cooper::testing::make_fake_s3_client(store)),
          provider(make_fixed_credentials(std::move(credentials))),
          bucket("bucket", std::move(settings), *http, *provider) {}

    static FakeS3Options with_clock(FakeS3Options options, const Clock& clock) {
        options.clock = &clock;
        return options;
    }

    WriteResult put(const std::string& key, const std::string& text,
                    const WriteCondition& condition = WriteCondition::none()) {
        return bucket.put(key, std::make_shared<MemoryRanged>(text), {}, condition, run);
    }
    [[nodiscard]] std::string content(const std::string& key) const {
        const auto object = store.find(key);
        return object ? object->content : "(no such object)";
    }
    /// The last request for `operation`.
    [[nodiscard]] FakeS3::Seen last(const std::string& operation) const {
        const auto seen = store.seen();
        const auto at =
            std::find_if(seen.rbegin(), seen.rend(), [&](const auto& one) { return one.operation == operation; });
        return at == seen.rend() ? FakeS3::Seen{} : *at;
    }

    FakeClock clock;
    Notices notices;
    Run run{{}, &clock, &notices};
    FakeS3 store;
    std::unique_ptr<HttpClient> http;
    std::unique_ptr<CredentialsProvider> provider;
    Bucket bucket;
};

/// What `body` throws, as text; empty when it throws nothing.
template <class Body>
std::string error_of(Body&& body) {
    try {
        body();
    } catch (const Error& error) {
        return std::string(to_string(error.code())) + ": " + error.what();
    }
    return {};
}

}  // namespace cooper::s3::testing
