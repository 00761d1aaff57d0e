#include "s3/credentials_place.hpp"

#include <catch2/catch.hpp>

#include <condition_variable>
#include <thread>

using namespace cooper;               // NOLINT(google-build-using-namespace)
using namespace cooper::s3;           // NOLINT(google-build-using-namespace)
using namespace cooper::s3::testing;  // NOLINT(google-build-using-namespace)

namespace {

/// A container that hands out numbered sessions of an hour.
struct Numbered {
    Place place;
    int number = 0;
    std::unique_ptr<CredentialsProvider> chain;

    Numbered() {
        next();
        chain = place.chain({{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/c"}});
    }
    void next() {
        place.services.answer("GET http://169.254.170.2/c", 200,
                              session_json("S" + std::to_string(++number), place.time(std::chrono::hours(1))));
    }
    void advance(std::chrono::minutes by) {
        place.clock.advance(by);
        next();
    }
    std::string get() { return chain->get(place.run).access_key_id; }
};

}  // namespace

TEST_CASE("refresh: not before it is near, then in time", "[unit][s3]") {
    Numbered sessions;
    CHECK(sessions.get() == "S1");
    sessions.advance(std::chrono::minutes(44));
    CHECK(sessions.get() == "S1");
    sessions.advance(std::chrono::minutes(2));
    CHECK(sessions.get() == "S3");
    CHECK(sessions.get() == "S3");
    CHECK(sessions.place.services.asked().size() == 2);
}

TEST_CASE("refresh: one that fails is no error while the session lasts, and is one afterwards", "[unit][s3]") {
    Numbered sessions;
    CHECK(sessions.get() == "S1");
    sessions.place.clock.advance(std::chrono::minutes(55));
    sessions.place.services.answer("GET http://169.254.170.2/c", 404, "");
    CHECK(sessions.get() == "S1");
    CHECK(sessions.place.notices.all().size() == 1);
    const std::size_t asked = sessions.place.services.asked().size();
    CHECK(sessions.get() == "S1");
    CHECK(sessions.place.services.asked().size() == asked);
    sessions.place.clock.advance(std::chrono::minutes(6));
    CHECK(error_of([&] { (void)sessions.get(); }).starts_with("access-denied"));
}

TEST_CASE("refresh: after an invalidation the session is fetched anew", "[unit][s3]") {
    Numbered sessions;
    CHECK(sessions.get() == "S1");
    sessions.next();
    sessions.chain->invalidate();
    CHECK(sessions.get() == "S2");
}

TEST_CASE("refresh: one thread asks while the others go on with what they have", "[unit][s3]") {
    class Slow final : public HttpClient {
    public:
        HttpResponse send(const HttpRequest& /*request*/, const Run& run) override {
            std::unique_lock lock(mutex_);
            ++asked_;
            changed_.notify_all();
            changed_.wait(lock, [this] { return open_; });
            HttpResponse response;
            response.status = 200;
            response.body = MemoryRanged(session_json("S" + std::to_string(asked_),
                                                      format_rfc3339(run.clock->now_seconds() + std::chrono::hours(1))))
                                .open();
            return response;
        }
        void set_open(bool open) {
            const std::scoped_lock lock(mutex_);
            open_ = open;
            changed_.notify_all();
        }
        void wait_for(int count) {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [&] { return asked_ >= count; });
        }
        int asked() {
            const std::scoped_lock lock(mutex_);
            return asked_;
        }

    private:
        std::mutex mutex_;
        std::condition_variable changed_;
        bool open_ = true;
        int asked_ = 0;
    };
    Slow service;
    Place place;
    const auto chain = make_credentials_chain(
        service, Environment({{"HOME", place.home.path().string()}, {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/c"}}));
    CHECK(chain->get(place.run).access_key_id == "S1");
    place.clock.advance(std::chrono::minutes(46));
    service.set_open(false);
    std::jthread refreshing([&] { CHECK_NOTHROW(chain->get(place.run)); });
    service.wait_for(2);
    CHECK(chain->get(place.run).access_key_id == "S1");  // would hang here if it waited
    service.set_open(true);
    refreshing.join();
    CHECK(chain->get(place.run).access_key_id == "S2");
    CHECK(service.asked() == 2);
}
