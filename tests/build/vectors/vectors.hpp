// Reading vectors made by the original programs, and making the trees that they describe.
#pragma once

#include "cooper/base/files.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace cooper::testing {

using Value = nlohmann::ordered_json;

/// The cases of FILE in $COOPER_VECTORS, else in tests/golden/tags. A file that another directory does not have is
/// passed over with a warning.
std::vector<Value> vectors(const std::string& file);
/// The same of dockerfile/FILE, else in tests/golden/dockerfile.
std::vector<Value> dockerfile_vectors(const std::string& file);

/// The member's text; `fallback` when it is absent or null.
std::string text_or(const Value& object, const char* key, const std::string& fallback = "");
std::optional<std::string> find_text(const Value& object, const char* key);
std::vector<std::string> texts(const Value& list);

/// A new directory with a case's tree in it ("tree format" of the headers).
class Scratch {
public:
    explicit Scratch(const Value& tree);
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return directory_.path(); }
    /// `text` with "{SCRATCH}" replaced by the directory's absolute path.
    [[nodiscard]] std::string expand(std::string text) const;

private:
    void add(const Value& entry);
    TempDirectory directory_;
};

}  // namespace cooper::testing
