// Hash tags against the answers of the original programs.
#include "cooper/base/error.hpp"
#include "cooper/build/hash_tags.hpp"
#include "cooper/build/source_hash.hpp"

#include "build/vectors/vectors.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cerrno>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;

namespace {

/// The code of the Error that `body` throws; nullopt when it throws none.
template <class F>
std::optional<ErrorCode> refusal(F&& body) {
    try {
        body();
        return std::nullopt;
    } catch (const Error& error) {
        return error.code();
    }
}

/// The errno of the SystemError that `body` throws by the name that the originals' exceptions have.
template <class F>
std::string errno_name(F&& body) {
    try {
        body();
    } catch (const SystemError& error) {
        switch (error.error_number()) {
            case ENOENT:
                return "ENOENT";
            case EISDIR:
                return "EISDIR";
            case ENOTDIR:
                return "ENOTDIR";
            case EACCES:
                return "EACCES";
            case ELOOP:
                return "ELOOP";
            case ENAMETOOLONG:
                return "ENAMETOOLONG";
            default:
                return std::to_string(error.error_number());
        }
    }
    return "no error";
}

/// Python's int() also takes "0x", '_', blanks and a sign. No program hands such text over, so cooper refuses it.
bool is_python_syntax(const Value& one) {
    return text_or(one, "group") == "python-int-syntax";
}

LockInputs lock_inputs(const Value& one, const Scratch& scratch) {
    LockInputs inputs;
    inputs.base_image = text_or(one, "base_image");
    inputs.enable_browser = one.value("enable_browser", true);
    inputs.root =
        scratch.path() / scratch.expand(text_or(one, text_or(one, "profile") == "v0" ? "package_dir" : "sdk_root"));
    for (const auto& file : texts(one.value("extra_files", Value()))) {
        inputs.extra_files.push_back(scratch.expand(file));
    }
    return inputs;
}

std::string call_slug_function(const std::string& function, const Value& arguments) {
    if (function == "_base_slug") {
        return base_slug_sdk(text_or(arguments, "image"), arguments.value("max_len", std::size_t{64}));
    }
    if (function == "_truncate_ident") {
        return truncate_ident(text_or(arguments, "repo"), text_or(arguments, "tag"),
                              arguments.at("budget").get<std::size_t>());
    }
    REQUIRE(function == "get_base_image_slug");
    return base_slug_v1(text_or(arguments, arguments.contains("image") ? "image" : "base_image"));
}

}  // namespace

TEST_CASE("vectors: truncate_hash", "[unit][build][vectors]") {
    for (const auto& one : vectors("truncate_hash.json")) {
        INFO(one.dump());
        const auto hash = text_or(one, "hash");
        if (is_python_syntax(one) || one.contains("expect_error")) {
            CHECK(refusal([&] { (void)truncate_hash(hash); }) == ErrorCode::InvalidInput);
        } else {
            CHECK(truncate_hash(hash) == text_or(one, "expect"));
        }
    }
}

TEST_CASE("vectors: base_slug", "[unit][build][vectors]") {
    for (const auto& one : vectors("base_slug.json")) {
        INFO(one.dump());
        const auto function = text_or(one, "function");
        if (one.contains("expect_error")) {
            CHECK(refusal([&] { (void)call_slug_function(function, one.at("args")); }) == ErrorCode::InvalidInput);
        } else {
            CHECK(call_slug_function(function, one.at("args")) == text_or(one, "expect"));
        }
    }
}

TEST_CASE("vectors: versioned_tag", "[unit][build][vectors]") {
    for (const auto& one : vectors("versioned_tag.json")) {
        INFO(one.dump());
        CHECK(base_slug_v0(text_or(one, "base_image")) == text_or(one, "expect"));
        CHECK(base_slug_v1(text_or(one, "base_image")) == text_or(one, "v1_slug"));
    }
}

TEST_CASE("vectors: repo_and_tag", "[unit][build][vectors]") {
    for (const auto& one : vectors("repo_and_tag.json")) {
        INFO(one.dump());
        const auto ask = [&] {
            return repository_and_tag(text_or(one, "base_image"), text_or(one, "version"),
                                      find_text(one, "env_runtime_repo"));
        };
        if (one.contains("expect_error")) {
            CHECK(refusal(ask) == ErrorCode::InvalidInput);
        } else {
            CHECK(ask().repository == text_or(one.at("expect"), "repo"));
            CHECK(ask().tag == text_or(one.at("expect"), "tag"));
        }
    }
}

TEST_CASE("vectors: lock_hash", "[unit][build][vectors]") {
    for (const auto& one : vectors("lock_hash.json")) {
        INFO(one.dump());
        const Scratch scratch(one.at("tree"));
        const auto inputs = lock_inputs(one, scratch);
        const bool is_v0 = text_or(one, "profile") == "v0";
        const auto ask = [&] { return is_v0 ? lock_hash_v0(inputs, {}) : lock_hash_v1(inputs, {}); };
        if (const auto error = find_text(one, "expect_error")) {
            CHECK(errno_name(ask) == *error);
        } else {
            CHECK(ask() == text_or(one, "expect"));
        }
    }
}

namespace {

/// The originals pass on what no registry accepts; cooper computes it, then refuses it.
bool is_legal(const std::string& tag) {
    return !refusal([&] { check_tag(tag, "tag"); });
}

HashTags ask_tags(const Value& one, const Scratch& scratch) {
    CompatibleInputs inputs;
    inputs.lock = lock_inputs(one, scratch);
    inputs.version = text_or(one, "version");
    if (text_or(one, "profile") == "v0") {
        inputs.runtime_repository = find_text(one, "runtime_repo");
        return v0_tags(inputs, {});
    }
    inputs.source = scratch.path() / scratch.expand(text_or(one, "source_dir"));
    inputs.suffix = text_or(one, "suffix");
    return v1_tags(inputs, {});
}

void check_failure(const Value& error, const Value& one, const Scratch& scratch) {
    const auto kind = text_or(error, "kind");
    const auto source_kind = [&] {
        try {
            (void)ask_tags(one, scratch);
        } catch (const SourceHashError& failure) {
            return std::optional(failure.kind());
        }
        return std::optional<SourceHashError::Kind>();
    };
    if (kind == "os_error") {
        CHECK(errno_name([&] { (void)ask_tags(one, scratch); }) == text_or(error, "errno"));
    } else if (kind == "split_colon") {
        CHECK(refusal([&] { (void)ask_tags(one, scratch); }) == ErrorCode::InvalidInput);
    } else if (kind == "symlink_recursion") {
        CHECK(source_kind() == SourceHashError::Kind::SymlinkRecursion);
    } else if (kind == "name_not_utf8") {
        CHECK(source_kind() == SourceHashError::Kind::NameNotUtf8);
    } else if (kind == "nothing_to_hash") {
        CHECK(source_kind() == SourceHashError::Kind::NothingToHash);
    } else {
        CHECK(source_kind().has_value());
    }
}

}  // namespace

TEST_CASE("vectors: image_tags", "[unit][build][vectors]") {
    for (const auto& one : vectors("image_tags.json")) {
        INFO(one.dump());
        const Scratch scratch(one.at("tree"));
        const auto& expect = one.at("expect");
        if (const auto error = expect.find("error"); error != expect.end()) {
            check_failure(*error, one, scratch);
            continue;
        }
        const auto& tags = expect.at("tags");
        const auto name = [&](const char* level, std::size_t place) {
            return tags.is_array() ? tags.at(place).get<std::string>() : text_or(tags, level);
        };
        const std::array<std::string, 3> wanted = {name("source", 0), name("lock", 1), name("versioned", 2)};
        const auto tag_of = [&](const std::string& text) {
            return tags.is_array() ? text.substr(text.rfind(':') + 1) : text;
        };
        const auto* const illegal =
            std::find_if_not(wanted.begin(), wanted.end(), [&](const auto& text) { return is_legal(tag_of(text)); });
        if (illegal != wanted.end()) {
            CHECK_THROWS_WITH(ask_tags(one, scratch), Catch::Contains("'" + tag_of(*illegal) + "'"));
            continue;
        }
        const auto made = ask_tags(one, scratch);
        const auto full = [&](const std::string& tag) { return tags.is_array() ? made.repository + ":" + tag : tag; };
        CHECK(full(made.source) == wanted[0]);
        CHECK(full(made.lock) == wanted[1]);
        CHECK(full(made.versioned) == wanted[2]);
        if (const auto image = find_text(expect, "image")) {
            CHECK(full(made.source) == *image);
        }
    }
}
