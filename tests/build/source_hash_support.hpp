// What the tests of the source hash share.
#pragma once

#include "cooper/build/source_hash.hpp"

#include "base/message_digest.hpp"
#include "build/tree_support.hpp"

#include <catch2/catch.hpp>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace cooper::testing {

using Kind = build::SourceHashError::Kind;
using Texts = std::vector<std::string>;

inline std::string md5(std::string_view text) {
    return hex_digest(HashAlgorithm::Md5, text);
}

/// A file in a descriptor.
inline std::string file_entry(const std::string& content, const std::string& name) {
    return "data:" + md5(content) + std::string(1, '\0') + "name:" + name;
}

inline build::SourceHash hash(const std::filesystem::path& root, const build::SourceHashOptions& options = {}) {
    return build::hash_source(root, options, Run{});
}

inline Texts listed(const Tree& tree, const build::SourceHashOptions& options = {}) {
    return build::list_source(tree.path(), options, Run{});
}

inline build::SourceHashOptions with_ignore(Texts ignore) {
    build::SourceHashOptions options;
    options.ignore = std::move(ignore);
    return options;
}

struct Refusal {
    Kind kind;
    ErrorCode code;
    std::string text;
    std::string advice;
};

inline Refusal refusal(const std::filesystem::path& root, const build::SourceHashOptions& options = {}) {
    try {
        hash(root, options);
    } catch (const build::SourceHashError& error) {
        return {error.kind(), error.code(), error.what(), error.advice()};
    }
    throw std::logic_error("no SourceHashError");
}

struct SystemRefusal {
    int number = 0;
    std::string text;
    std::string advice;
};

template <class F>
SystemRefusal system_refusal(F&& body) {
    try {
        body();
        return {};
    } catch (const SystemError& error) {
        return {error.error_number(), error.what(), error.advice()};
    }
}

}  // namespace cooper::testing
