// The flags of one instruction: "--from=x" (private).
#pragma once

#include "build/dockerfile/lines.hpp"

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cooper::build {

/// A word that nobody knows, with the one that was meant, if any is near.
std::string did_you_mean(std::string_view given, std::span<const std::string_view> candidates);

/// What is wrong in a line, and where: `offset` counts in its text.
using LineFailure = std::function<void(std::size_t offset, const std::string& problem, const std::string& advice)>;

class InstructionFlags {
public:
    enum class Kind { Boolean, Text, List };
    struct Known {
        std::string_view name;
        Kind kind;
    };

    /// Flags that are none of `known`, come twice or lack their value are handed to `fail`, which throws.
    InstructionFlags(const DockerfileLine& line, std::span<const Known> known, const LineFailure& fail);

    [[nodiscard]] std::string text(std::string_view name) const;
    [[nodiscard]] std::optional<bool> boolean(std::string_view name) const;
    [[nodiscard]] std::vector<std::string> list(std::string_view name) const;
    /// Where the flag stands in the line's text; 0 when it is not there.
    [[nodiscard]] std::size_t offset(std::string_view name) const;

private:
    struct Given {
        std::string_view name;
        std::string value;
        std::size_t offset;
    };
    [[nodiscard]] const Given* find(std::string_view name) const;

    std::vector<Given> given_;
};

}  // namespace cooper::build
