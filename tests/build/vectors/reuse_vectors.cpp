// reuse.json: what the v0 system and AgentServerBuildConfig look up, in which order, and what they build on what.
#include "cooper/build/reuse.hpp"

#include "build/vectors/vectors.hpp"

#include <catch2/catch.hpp>

#include <set>
#include <utility>

namespace cooper::build {

namespace {

using testing::text_or;
using testing::texts;
using testing::Value;

/// A builder's view of images: what is local, what a pull makes local; "remote" knows the registry alone.
class RecordedLookup final : public ImageLookup {
public:
    explicit RecordedLookup(const Value& one) : remote_only_(text_or(one, "builder") == "remote") {
        const auto add = [&](const char* list, std::set<std::string>& into) {
            for (const std::string& level : texts(one.at(list))) {
                into.insert(one.at("names").at(level).get<std::string>());
            }
        };
        add("exists_local", local_);
        add("exists_remote", remote_);
    }

    bool exists(const std::string& image, bool pull, const Run& /*run*/) override {
        calls.emplace_back(image, pull);
        if (remote_only_) {
            return remote_.contains(image);
        }
        if (pull && remote_.contains(image)) {
            local_.insert(image);
        }
        return local_.contains(image);
    }

    std::vector<std::pair<std::string, bool>> calls;

private:
    bool remote_only_;
    std::set<std::string> local_;
    std::set<std::string> remote_;
};

std::vector<std::pair<std::string, bool>> expected_calls(const Value& expect) {
    std::vector<std::pair<std::string, bool>> calls;
    for (const Value& call : expect.at("image_exists_calls")) {
        calls.emplace_back(call.at(0).get<std::string>(), call.at(1).get<bool>());
    }
    return calls;
}

ImageNames names_of(const Value& one) {
    const Value& given = one.at("names");
    ImageNames names{
        text_or(given, "source"), text_or(given, "lock"), text_or(given, "versioned"), text_or(one, "base_image"), {}};
    for (const std::string& custom : texts(one.value("custom_tags", Value::array()))) {
        names.custom.push_back(given.at(custom).get<std::string>());
    }
    return names;
}

void check_v0(const Value& one) {
    const Value& expect = one.at("expect");
    RecordedLookup lookup(one);
    const bool force = one.at("force_rebuild").get<bool>();
    const bool dry_run = one.at("dry_run").get<bool>();  // ends before names are dropped
    const auto decision = decide_reuse(names_of(one), {force, false, !dry_run}, lookup, Run());
    CHECK(lookup.calls == expected_calls(expect));
    if (const Value& prep = expect.at("prep"); prep.empty()) {
        CHECK(decision.action == ReuseAction::Reuse);
    } else {
        REQUIRE(prep.size() == 1);
        CHECK(decision.from == text_or(prep[0], "base_image"));
        CHECK(to_string(decision.action) == "from-" + text_or(prep[0], "build_from"));
    }
    const Value& builds = expect.at("build_calls");
    if (!builds.empty()) {
        CHECK(decision.apply == texts(builds.at(0)));  // none is left where the original ends with an IndexError
    } else {
        CHECK((decision.action == ReuseAction::Reuse || dry_run));
    }
    if (expect.contains("returned") && !one.contains("builder_returns")) {
        CHECK(decision.image == text_or(expect, "returned"));
    }
}

void check_config(const Value& one) {
    const Value& expect = one.at("expect");
    RecordedLookup lookup(one);
    const ImageNames names = names_of(one);
    const bool push = one.at("push").get<bool>();  // builds without looking
    const auto decision = decide_reuse(names, {push, true, false}, lookup, Run());
    CHECK(lookup.calls == expected_calls(expect));
    CHECK(decision.image == text_or(expect, "returned"));
    std::vector<std::string> all{names.source, names.lock, names.versioned};
    all.insert(all.end(), names.custom.begin(), names.custom.end());
    CHECK(all == texts(expect.at("tags")));
    if (const Value& builds = expect.at("build_calls"); builds.empty()) {
        CHECK(decision.action == ReuseAction::Reuse);
        CHECK(decision.apply.empty());
    } else {
        CHECK(decision.action == ReuseAction::FromScratch);
        CHECK(decision.apply == texts(builds.at(0)));
    }
}

}  // namespace

TEST_CASE("vectors: reuse", "[unit][build][vectors]") {
    for (const Value& one : testing::vectors("reuse.json")) {
        INFO(text_or(one, "id"));
        if (text_or(one, "profile") == "v0") {
            check_v0(one);
        } else {
            check_config(one);
        }
    }
}

}  // namespace cooper::build
