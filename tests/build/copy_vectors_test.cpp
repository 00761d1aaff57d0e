// Answers of Go's and BuildKit's small grammars for COPY and ADD (tests/golden/dockerfile/README.md).
#include "cooper/base/error.hpp"
#include "cooper/build/build_source.hpp"
#include "cooper/build/copy_files.hpp"

#include "build/paths.hpp"
#include "build/vectors/vectors.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::build;
using cooper::testing::dockerfile_vectors;
using cooper::testing::text_or;

namespace {

template <class Body>
bool is_refused(Body body) {
    try {
        body();
        return false;
    } catch (const Error& error) {
        return error.code() == ErrorCode::InvalidInput;
    }
}

std::uint32_t octal_of(const std::string& text) {
    return static_cast<std::uint32_t>(std::stoul(text, nullptr, 8));
}

}  // namespace

TEST_CASE("copy vectors: wildcards", "[unit][build][copy][golden]") {
    for (const auto& item : dockerfile_vectors("filepath-match-cases.json")) {
        INFO(item.dump());
        const auto matches = [&] { return file_path_matches(text_or(item, "pattern"), text_or(item, "name")); };
        if (item.contains("error")) {
            CHECK(is_refused(matches));
        } else {
            CHECK(matches() == item.at("match").get<bool>());
        }
    }
}

TEST_CASE("copy vectors: cleaned paths", "[unit][build][copy][golden]") {
    for (const auto& item : dockerfile_vectors("filepath-clean-cases.json")) {
        INFO(item.dump());
        CHECK(clean_file_path(text_or(item, "input")) == text_or(item, "clean"));
        CHECK("/" + clean_path(text_or(item, "input")) == text_or(item, "join_root"));
    }
}

TEST_CASE("copy vectors: modes", "[unit][build][copy][golden]") {
    for (const auto& item : dockerfile_vectors("chmod-cases.json")) {
        INFO(item.dump());
        const auto change = [&] {
            return changed_mode(text_or(item, "spec"), octal_of(text_or(item, "before", "0")),
                                item.value("dir", false));
        };
        if (item.contains("error")) {
            CHECK(is_refused(change));
        } else {
            CHECK(change() == octal_of(text_or(item, "after")));
        }
    }
}

TEST_CASE("copy vectors: git references", "[unit][build][copy][golden]") {
    for (const auto& item : dockerfile_vectors("gitref-cases.json")) {
        INFO(item.dump());
        const auto parse = [&] { return GitReference::parse(text_or(item, "ref")); };
        if (!item.at("is_git").get<bool>()) {
            CHECK_FALSE(parse());
        } else if (item.contains("error")) {
            CHECK(is_refused(parse));
        } else {
            const auto reference = parse();
            REQUIRE(reference);
            const auto& parsed = item.at("parsed");
            CHECK(reference->remote == text_or(parsed, "Remote"));
            CHECK(reference->ref == text_or(parsed, "Ref"));
            CHECK(reference->subdirectory == text_or(parsed, "SubDir"));
            CHECK(reference->checksum.value_or("") == text_or(parsed, "Checksum"));
            CHECK(reference->may_be_path() == parsed.at("IndistinguishableFromLocal").get<bool>());
            const auto flag = [&](const char* name) {
                const auto& value = parsed.at(name);
                return value.is_null() ? std::nullopt : std::optional(value.get<bool>());
            };
            CHECK(reference->keep_git_dir == flag("KeepGitDir"));
            CHECK(reference->submodules == flag("Submodules"));
        }
    }
}
