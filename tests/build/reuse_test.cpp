#include "cooper/build/reuse.hpp"

#include "cooper/base/error.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

namespace cooper::build {

namespace {

const ImageNames kNames{"r:s", "r:l", "r:v", "debian:12", {"r:mine"}};

class Images final : public ImageLookup {
public:
    explicit Images(std::vector<std::string> there) : there_(std::move(there)) {}
    bool exists(const std::string& image, bool /*pull*/, const Run& /*run*/) override {
        asked.push_back(image);
        return std::find(there_.begin(), there_.end(), image) != there_.end();
    }
    std::vector<std::string> asked;

private:
    std::vector<std::string> there_;
};

class BrokenLookup final : public ImageLookup {
public:
    bool exists(const std::string& /*image*/, bool /*pull*/, const Run& /*run*/) override {
        throw Error(ErrorCode::Unavailable, "connection refused");
    }
};

}  // namespace

TEST_CASE("reuse: the most specific image that exists decides", "[unit][build]") {
    struct Case {
        std::vector<std::string> there;
        ReuseAction action;
        std::string from;
        std::vector<std::string> apply;
    };
    const std::vector<Case> cases{
        {{"r:s", "r:l", "r:v"}, ReuseAction::Reuse, "", {"r:mine"}},
        {{"r:l", "r:v"}, ReuseAction::FromLock, "r:l", {"r:s", "r:l", "r:mine"}},
        {{"r:v"}, ReuseAction::FromVersioned, "r:v", {"r:s", "r:l", "r:mine"}},
        {{"r:mine"}, ReuseAction::FromScratch, "debian:12", {"r:s", "r:l", "r:v", "r:mine"}},
    };
    for (const Case& expected : cases) {
        Images images(expected.there);
        const auto decision = decide_reuse(kNames, {}, images, Run());
        CHECK(decision.action == expected.action);
        CHECK(decision.image == "r:s");
        CHECK(decision.from == expected.from);
        CHECK(decision.apply == expected.apply);
    }
}

TEST_CASE("reuse: force asks for nothing and gives every name", "[unit][build]") {
    Images images({"r:s", "r:l", "r:v"});
    for (const bool first_hit : {false, true}) {
        const auto decision = decide_reuse(kNames, {true, first_hit, false}, images, Run());
        CHECK(decision.action == ReuseAction::FromScratch);
        CHECK(decision.apply == std::vector<std::string>{"r:s", "r:l", "r:v", "r:mine"});
    }
    CHECK(images.asked.empty());
}

TEST_CASE("reuse: first hit takes any name that exists, stale or not", "[unit][build]") {
    Images images({"r:v", "r:mine"});
    const auto decision = decide_reuse(kNames, {false, true, false}, images, Run());
    CHECK(decision.action == ReuseAction::Reuse);
    CHECK(decision.image == "r:v");
    CHECK(images.asked == std::vector<std::string>{"r:s", "r:l", "r:v"});
}

TEST_CASE("reuse: a look-up that fails is an error that names the image", "[unit][build]") {
    BrokenLookup broken;
    for (const bool first_hit : {false, true}) {
        try {
            decide_reuse(kNames, {false, first_hit, false}, broken, Run());
            FAIL("no error");
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::Unavailable);
            CHECK_THAT(error.what(), Catch::Contains("r:s") && Catch::Contains("connection refused"));
        }
    }
}

}  // namespace cooper::build
